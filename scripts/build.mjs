/**
 * Compiles src into dist. The old dist stays in place until the new one is complete and is then swapped by two renames,
 * so that a process that starts meanwhile finds one or the other and no file of a deleted source stays behind.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dist = path.join(root, 'dist');
const next = path.join(root, `.dist-next-${process.pid}`);
const old = path.join(root, `.dist-old-${process.pid}`);

function remove(folder) {
  rmSync(folder, { recursive: true, force: true });
}

const tsc = path.join(root, 'node_modules', '@typescript', 'native', 'bin', 'tsc');
const built = spawnSync(process.execPath, [tsc, '--project', root, '--outDir', next, '--noEmitOnError'], { stdio: 'inherit' });
if (built.status !== 0) {
  remove(next);
  console.error('build: the compiler found errors; dist is unchanged');
  process.exit(1);
}

/** Two builds may end at the same time: whoever finds the other's dist in its place moves that aside too. */
function swap(triesLeft) {
  try {
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(next, dist);
  } catch (error) {
    if (triesLeft === 0) throw error;
    remove(old);
    swap(triesLeft - 1);
  }
}

try {
  swap(5);
} finally {
  remove(old);
  remove(next);
}
