import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { expect, it } from 'vitest';
import { root } from './files.js';

it('docs/guarantees.md shows what the stores say of themselves', () => {
  const run = spawnSync(process.execPath, [path.join(root, 'scripts/guarantees.mjs'), '--check'], { encoding: 'utf8' });
  expect(run.status, run.stderr).toBe(0);
});
