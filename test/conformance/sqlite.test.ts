import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { sqlite } from '../../src/backends/sqlite/index.js';
import { runConformance } from '../../src/testkit/index.js';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'));
const path = join(folder, 'locks.db');

runConformance(
  { describe, it, after: afterAll, concurrently: describe.concurrent },
  {
    name: 'sqlite',
    open: () => sqlite(path),
    forgetEverything() {
      for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
    },
    close: () => rmSync(folder, { recursive: true }),
  },
);
