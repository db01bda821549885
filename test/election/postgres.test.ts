import { afterAll, beforeAll, describe } from 'vitest';
import { postgresFromUrl } from '../../src/backends/postgres/index.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { Scene } from './scene.js';
import { electionCases } from './suite.js';

describe.skipIf(postgresIsMissing)('election on PostgreSQL', { timeout: 60_000 }, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server.stop());
  electionCases(
    new Scene('postgres'),
    () => server.url,
    () => postgresFromUrl(server.url),
  );
});
