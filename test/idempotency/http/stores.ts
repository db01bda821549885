import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { redisRecords } from '../../../src/backends/redis/index.js';
import { sqliteRecords } from '../../../src/backends/sqlite/index.js';
import type { Records } from '../../../src/core/records.js';
import { redisIsMissing, RedisServer } from '../../support/redis-server.js';

export interface OpenRecords {
  readonly records: Records;
  close(): Promise<void>;
}

export interface RecordStore {
  readonly name: string;
  readonly missing: boolean;
  open(): Promise<OpenRecords>;
}

/** Records in Redis through a port, which may be a proxy's. */
export function recordsOnRedis(port: number, commandTimeoutMs = 5_000): OpenRecords {
  const client = new Redis({ port, host: '127.0.0.1' });
  client.on('error', () => {});
  const records = redisRecords(client, { commandTimeoutMs });
  return {
    records,
    async close() {
      await records.close();
      client.disconnect();
    },
  };
}

export const stores: readonly RecordStore[] = [
  {
    name: 'Redis',
    missing: redisIsMissing,
    async open() {
      const server = await RedisServer.start();
      const { records, close } = recordsOnRedis(server.port);
      return { records, close: () => close().then(() => server.stop()) };
    },
  },
  {
    name: 'SQLite',
    missing: false,
    async open() {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-http-'));
      const records = sqliteRecords(path.join(folder, 'records.db'));
      return {
        records,
        async close() {
          await records.close();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  },
];
