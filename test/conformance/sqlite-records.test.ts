import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { sqliteRecords } from '../../src/backends/sqlite/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-records-'));

runRecordsConformance(
  { describe, it, after: afterAll, concurrently: describe.concurrent },
  {
    name: 'sqlite',
    open: () => sqliteRecords(join(folder, 'records.db')),
    close: () => rmSync(folder, { recursive: true }),
  },
);
