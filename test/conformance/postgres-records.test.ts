import { afterAll, beforeAll, describe, it } from 'vitest';
import { postgresRecords } from '../../src/backends/postgres/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';
import { clients } from '../support/postgres-clients.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';

describe.skipIf(postgresIsMissing).each(Object.entries(clients))('records in PostgreSQL through %s', (library, openClient) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  runRecordsConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    {
      name: `postgres (${library})`,
      open() {
        const { client, end } = openClient(server.url);
        const records = postgresRecords(client);
        const close = async () => {
          await records.close();
          await end();
        };
        return { ...records, close };
      },
      close: () => server.stop(),
    },
  );
});
