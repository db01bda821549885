import { afterAll, beforeAll, describe, it } from 'vitest';
import { runConformance } from '../../src/testkit/index.js';
import { openRedis } from './redis-clients.js';
import { assertKeyspaceClean } from './redis-keyspace.js';
import type { RedisServer } from './redis-server.js';

/** The conformance suite on one server of its own, through one client library. */
export function conformsOnOneServer(product: string, library: string, start: () => Promise<RedisServer>): void {
  let server: RedisServer;
  beforeAll(async () => {
    server = await start();
  });
  runConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    {
      name: `${product} (${library})`,
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
}
