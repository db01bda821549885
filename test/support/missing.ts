import { spawnSync } from 'node:child_process';
import process from 'node:process';

/** A missing program is a loud skip on a developer's machine, and a failure in CI. */
export function isMissing(program: string, fix: string, flag = '--version'): boolean {
  if (spawnSync(program, [flag]).status === 0) return false;
  if (process.env['CI'] === 'true') throw new Error(`${program} is not installed: ${fix}`);
  console.warn(`SKIPPED: ${program} is not installed (${fix})`);
  return true;
}
