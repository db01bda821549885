import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Fixture, runConformance } from '../../src/testkit/index.js';
import { openPostgres } from './postgres-clients.js';
import { PostgresServer } from './postgres-server.js';
import { assertTablesClean } from './postgres-tables.js';

/** The conformance suite on a server of its own, through one client library. */
export function conformsOnPostgres(library: string, over: Partial<Fixture> = {}): void {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  runConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    {
      name: `postgres (${library})`,
      open: () => openPostgres(library, server.url),
      // The schema goes with everything in it, and is made anew by whoever asks next.
      forgetEverything: async () => void (await server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE')),
      async close() {
        try {
          await assertTablesClean(server);
        } finally {
          await server.stop();
        }
      },
      ...over,
    },
  );
}
