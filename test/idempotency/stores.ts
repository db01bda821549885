import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as dynamodb from '../../src/backends/dynamodb/index.js';
import * as etcd from '../../src/backends/etcd/index.js';
import * as postgres from '../../src/backends/postgres/index.js';
import * as redis from '../../src/backends/redis/index.js';
import * as sqlite from '../../src/backends/sqlite/index.js';
import type { ClosableRecords } from '../../src/testkit/index.js';
import { DynamoDBServer } from '../support/dynamodb-server.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { openRecords } from './open.mjs';

/** A store that runs. */
export interface Store {
  readonly name: string;
  /** As `openRecords` takes it. */
  readonly address: string;
  stop(): unknown;
}

export interface Kind {
  readonly isMissing: boolean;
  /** Of requests that are to freeze. Long enough to be seen alive, and renewed, on a busy machine. */
  readonly leaseTtlMs: number;
  start(): Promise<Store>;
}

export const kinds: Readonly<Record<string, Kind>> = {
  sqlite: {
    isMissing: false,
    leaseTtlMs: 1_000,
    async start() {
      const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-idempotency-'));
      return { name: 'sqlite', address: path.join(folder, 'records.db'), stop: () => rmSync(folder, { recursive: true }) };
    },
  },
  redis: {
    isMissing: redisIsMissing,
    leaseTtlMs: 1_000,
    async start() {
      const server = await RedisServer.start();
      return { name: 'redis', address: server.url, stop: () => server.stop() };
    },
  },
  postgres: {
    isMissing: postgresIsMissing,
    leaseTtlMs: 1_000,
    async start() {
      const server = await PostgresServer.start();
      return { name: 'postgres', address: server.url, stop: () => server.stop() };
    },
  },
  etcd: {
    isMissing: etcdIsMissing,
    leaseTtlMs: 1_000,
    async start() {
      const cluster = await EtcdCluster.start();
      return { name: 'etcd', address: cluster.endpoints.join(','), stop: () => cluster.stop() };
    },
  },
  dynamodb: {
    isMissing: false,
    leaseTtlMs: 3_000,
    async start() {
      const server = await DynamoDBServer.start();
      await server.makeTable();
      return { name: 'dynamodb', address: `http://127.0.0.1:${server.port}`, stop: () => server.stop() };
    },
  },
};

const backends = { sqlite, redis, postgres, etcd, dynamodb };

export function open({ name, address }: Pick<Store, 'name' | 'address'>): Promise<ClosableRecords> {
  return openRecords(async (folder) => backends[folder as keyof typeof backends], name, address) as Promise<ClosableRecords>;
}
