import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { redisFromUrl } from '../../../src/backends/redis/index.js';
import { sqliteFromUrl } from '../../../src/backends/sqlite/index.js';
import { RedisServer, redisIsMissing } from '../../support/redis-server.js';
import { Clinic } from './clinic.js';

/** Registers cases with a Redis of their own. */
export function onRedis(cases: (clinic: Clinic, server: () => RedisServer) => void): void {
  describe.skipIf(redisIsMissing)('on Redis', () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await RedisServer.start();
    });
    afterAll(() => server?.stop());
    cases(new Clinic('redis', () => server.url, redisFromUrl), () => server);
  });
}

/** The same on a file. */
export function onSqlite(cases: (clinic: Clinic) => void): void {
  describe('on SQLite', () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-doctor-'));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    cases(new Clinic('sqlite', () => `sqlite:${path.join(folder, 'locks.db')}`, sqliteFromUrl));
  });
}
