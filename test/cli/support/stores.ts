import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { RedisServer, redisIsMissing } from '../../support/redis-server.js';
import { RedlockNodes } from '../../support/redlock-nodes.js';
import { Scene } from './program.js';

/** Registers the same cases for the stores that the program is used with most. */
export function onEveryStore(cases: (scene: Scene) => void): void {
  describe('with the embedded store', () => cases(new Scene()));
  onRedis(cases);
}

export function onRedis(cases: (scene: Scene, server: () => RedisServer) => void): void {
  describe.skipIf(redisIsMissing)('with Redis', () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await RedisServer.start();
    });
    afterAll(() => server.stop());
    // What a stopped holder leaves behind ends with its TTL, which is longer than the next test.
    afterEach(() => server.command('FLUSHALL'));
    cases(new Scene(() => `redis://127.0.0.1:${server.port}`), () => server);
  });
}

/** Three nodes. They keep no list of those who wait, and know no shared mode. */
export function onRedlock(cases: (scene: Scene, nodes: () => RedlockNodes) => void): void {
  describe.skipIf(redisIsMissing)('with Redlock', () => {
    let nodes: RedlockNodes;
    const url = () => `redlock://${nodes.ports.map((port) => `127.0.0.1:${port}`).join(',')}?newNodes=trust`;
    beforeAll(async () => {
      nodes = await RedlockNodes.start(3);
    });
    afterAll(() => nodes.stop());
    afterEach(() => nodes.command('FLUSHALL'));
    cases(new Scene(url), () => nodes);
  });
}
