import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** The folder of the compiled sources, made afresh if they are newer, by one test file for all. */
export function compiled(): string {
  const result = spawnSync(process.execPath, [path.join(root, 'scripts', 'setup.mjs')], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`the set-up failed:\n${result.stderr}`);
  return path.join(root, 'dist');
}
