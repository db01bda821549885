import { afterAll, beforeAll, describe } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type SqliteRecords, sqliteRecords } from '../../src/backends/sqlite/index.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { Stage } from './processes.js';
import { reconciliationCases } from './suite.js';

describe.skipIf(postgresIsMissing)('reconciliation of records in SQLite', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-reconciliation-'));
  const file = path.join(folder, 'records.db');
  let records: SqliteRecords;
  beforeAll(() => {
    records = sqliteRecords(file);
  });
  afterAll(async () => {
    await records.close();
    rmSync(folder, { recursive: true, force: true });
  });
  reconciliationCases(
    new Stage(
      'sqlite',
      () => file,
      () => records,
    ),
  );
});
