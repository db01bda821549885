import { afterAll, beforeAll, describe, it } from 'vitest';
import { runConformance } from '../../src/testkit/index.js';
import { clients, openRedis } from '../support/redis-clients.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';

for (const library of Object.keys(clients)) {
  describe.skipIf(redisIsMissing)(library, () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await RedisServer.start();
    });
    runConformance(
      { describe, it, after: afterAll, concurrently: describe.concurrent },
      {
        name: `redis (${library})`,
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
