import pg from 'pg';
import { afterAll, beforeAll, describe } from 'vitest';
import { type PostgresRecords, postgresRecords } from '../../src/backends/postgres/index.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { Stage } from './processes.js';
import { reconciliationCases } from './suite.js';

describe.skipIf(postgresIsMissing)('reconciliation of records in PostgreSQL', { timeout: 60_000 }, () => {
  let server: PostgresServer;
  let pool: pg.Pool;
  let records: PostgresRecords;
  beforeAll(async () => {
    server = await PostgresServer.start();
    pool = new pg.Pool({ connectionString: server.url });
    pool.on('error', () => {});
    records = postgresRecords(pool);
  });
  afterAll(async () => {
    await records.close();
    await pool.end();
    await server.stop();
  });
  reconciliationCases(
    new Stage(
      'postgres',
      () => server.url,
      () => records,
    ),
  );
});
