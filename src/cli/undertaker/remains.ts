import { readFileSync } from 'node:fs';
import process from 'node:process';

/** What may be left of a command whose holder is dead. */
export interface Remains {
  /** Kills what is left, as far as it may. True if that was nothing. */
  end(): boolean;
}

/** Whether a process was started under this run, or below it. What has cleared its environment, or hides it, is not. */
export function isMarked(pid: number, runId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`HOLDFAST_RUN_ID=${runId}`);
  } catch {
    // It has ended, or is another user's, whom we could not kill anyway.
    return false;
  }
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile, or may not be killed by us: the next look tells.
  }
}
