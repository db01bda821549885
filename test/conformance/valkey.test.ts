import { afterAll, beforeAll, describe, it } from 'vitest';
import { runConformance } from '../../src/testkit/index.js';
import { openRedis } from '../support/redis-clients.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { isMissing, RedisServer, serverArgs } from '../support/redis-server.js';

const program = 'valkey-server';
const valkeyIsMissing = isMissing(program, 'apt-get install valkey-server');

for (const library of ['ioredis 5', 'node-redis 5']) {
  describe.skipIf(valkeyIsMissing)(library, () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await RedisServer.launch({ program, args: serverArgs });
    });
    runConformance(
      { describe, it, after: afterAll, concurrently: describe.concurrent },
      {
        name: `valkey (${library})`,
        open: () => openRedis(library, server.url),
        forgetEverything: async () => void (await server.command('FLUSHALL')),
        async close() {
          try {
            await assertKeyspaceClean(server);
          } finally {
            await server.stop();
          }
        },
      },
    );
  });
}
