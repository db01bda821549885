import { readFileSync } from 'node:fs';
import type process from 'node:process';
import { fileURLToPath } from 'node:url';

/** In the environment of a run's command: its id, which all that the command starts inherits. */
const own = 'HOLDFAST_RUN_ID';
/** The ids of the runs that this one is inside of, separated by spaces. */
const outer = 'HOLDFAST_OUTER_RUN_IDS';
/** A chain of jobs, each of which starts the next, must not outgrow the environment. */
const outerMax = 100;

/** The program that a guard becomes. */
export const undertaker = fileURLToPath(new URL('./main.js', import.meta.url));

/** What a command finds in its environment, so that it and all below it are known for this run's. */
export function marks(runId: string, env: typeof process.env): Record<string, string> {
  const above = `${env[outer] ?? ''} ${env[own] ?? ''}`.split(' ').filter(Boolean).slice(-outerMax).join(' ');
  return above === '' ? { [own]: runId } : { [own]: runId, [outer]: above };
}

/** The environment of what belongs to no run. */
export function unmarked({ [own]: _own, [outer]: _outer, ...env }: typeof process.env): typeof process.env {
  return env;
}

/** Whether a process was started under this run, or below it. What has cleared its environment, or hides it, is not. */
export function isMarked(pid: number, runId: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return words.some((word) => word === `${own}=${runId}` || (word.startsWith(`${outer}=`) && word.includes(runId)));
  } catch {
    // It has ended, or is another user's.
    return false;
  }
}

/** Whether its environment is kept from us: another user's, most likely. */
export function isHidden(pid: number): boolean {
  try {
    readFileSync(`/proc/${pid}/environ`);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** Whether it is a guard, or the undertaker that one becomes, of any run. */
export function isGuard(pid: number): boolean {
  try {
    const [, first, script, name] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    // Also of another version. By its place: any program may have such a word among its arguments.
    if (first === undertaker) return true;
    return first === '-c' && name === 'holdfast-guard' && script?.includes('exec "$node" "$undertaker"') === true;
  } catch {
    return false;
  }
}
