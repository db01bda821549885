import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe } from 'vitest';
import { type RedisRecords, redisRecords } from '../../src/backends/redis/index.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { Stage } from './processes.js';
import { reconciliationCases } from './suite.js';

describe.skipIf(redisIsMissing || postgresIsMissing)('reconciliation of records in Redis', { timeout: 60_000 }, () => {
  let server: RedisServer;
  let client: Redis;
  let records: RedisRecords;
  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.url);
    records = redisRecords(client);
  });
  afterAll(async () => {
    await records.close();
    client.disconnect();
    await server.stop();
  });
  reconciliationCases(
    new Stage(
      'redis',
      () => server.url,
      () => records,
    ),
    true,
  );
});
