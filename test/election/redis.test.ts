import { afterAll, beforeAll, describe } from 'vitest';
import { redisFromUrl } from '../../src/backends/redis/index.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { Scene } from './scene.js';
import { electionCases } from './suite.js';

describe.skipIf(redisIsMissing)('election on Redis', { timeout: 60_000 }, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  electionCases(
    new Scene('redis'),
    () => server.url,
    () => redisFromUrl(server.url),
  );
});
