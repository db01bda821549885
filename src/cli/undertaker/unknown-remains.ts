import process from 'node:process';
import { readProcess } from '../../core/node.js';
import { processes, type SeenProcess } from '../processes.js';
import { isMarked, kill, type Remains } from './remains.js';

/** One look may miss whoever is born while it is taken, of a parent that ends meanwhile. */
const looksMin = 3;

/**
 * A command whose holder died before it could say which process that is. It runs by now, or never will: what was being started
 * had the other end of the guard's pipe until its program began.
 *
 * Killed is what has the mark. Waited for is whoever could be of the command, marked or not: its parent is dead, so all of it
 * is younger than the guard, and below the process that inherits orphans, as the guard is itself. A stranger that is so too
 * costs time, and nothing else.
 */
export class UnknownRemains implements Remains {
  readonly #runId: string;
  /** The undertaker was the guard before, and is as old. */
  readonly #since = Number(readProcess(process.pid)?.startedAt ?? 0);
  #looks = 0;

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** Not where there is no `/proc`, or where it is about other processes (a pid namespace without one of its own). */
  static get canLook(): boolean {
    return readProcess(process.pid)?.parentPid === process.ppid;
  }

  end(): boolean {
    const seen = processes();
    const candidates = orphansAndBelow(seen.filter((each) => this.#isYounger(each)));
    for (const { pid } of candidates) if (isMarked(pid, this.#runId)) kill(pid);
    this.#looks = candidates.length > 0 ? 0 : this.#looks + 1;
    // Who does not see the first process does not see those of others: `sudo`, for one.
    return this.#looks >= looksMin && seen.some(({ pid }) => pid === 1);
  }

  /** Of two guards that wait like this, one is not younger. */
  #isYounger({ dead, pid, startedAt }: SeenProcess): boolean {
    const since = Number(startedAt);
    return !dead && (since > this.#since || (since === this.#since && pid > process.pid));
  }
}

function orphansAndBelow(among: readonly SeenProcess[]): readonly SeenProcess[] {
  const below = new Set([process.ppid]);
  for (let size = 0; size < below.size; ) {
    size = below.size;
    for (const { pid, parentPid } of among) if (below.has(parentPid)) below.add(pid);
  }
  return among.filter(({ pid }) => below.has(pid));
}
