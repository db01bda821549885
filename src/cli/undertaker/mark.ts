import { readFileSync } from 'node:fs';
import type process from 'node:process';

/** In the environment of a run's command: its id, which all that the command starts inherits. */
const own = 'HOLDFAST_RUN_ID';
/** The ids of the runs that this one is inside of, separated by spaces. */
const outer = 'HOLDFAST_OUTER_RUN_IDS';

/** What a command finds in its environment, so that it and all below it are known for this run's. */
export function marks(runId: string, env: typeof process.env): Record<string, string> {
  const above = [env[outer], env[own]].filter((ids) => ids !== undefined && ids !== '').join(' ');
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
