import process from 'node:process';
import { readProcess } from '../../core/node.js';
import { below, census, processes, type SeenProcess } from '../processes.js';
import { isGuard, isMarked } from './mark.js';
import { kill, looksMin, type Remains } from './remains.js';
import type { Will } from './will.js';

/**
 * A command whose holder died before it could say which process that is. It runs by now, or never will: what was being started
 * had the other end of the guard's pipe until its program began.
 *
 * Killed is what has the mark. Waited for is whoever could be of the command, marked or not: its parent is dead, so all of it
 * is no older than the guard, and below the process that inherits orphans, as the guard is itself. A stranger that is so too
 * costs time, and nothing else. Where there is nothing to give back, nobody waits for the unmarked.
 */
export class UnknownRemains implements Remains {
  readonly #will: Will;
  /** The undertaker was the guard before, and is as old. */
  readonly #since = Number(readProcess(process.pid)?.startedAt ?? 0);
  #looks = 0;

  constructor(will: Will) {
    this.#will = will;
  }

  /** Not where there is no `/proc`, or where it is about other processes. */
  static get canLook(): boolean {
    return processes().length > 0;
  }

  end(): boolean {
    const { seen, isWhole } = census();
    const young = seen.filter((each) => this.#isYoung(each));
    const marked = young.filter(({ pid }) => isMarked(pid, this.#will.runId));
    for (const { pid } of marked) kill(pid);
    // Its death is still going on: its orphans are not where they will be.
    const orphaned = process.ppid !== this.#will.holderPid;
    const nobodyMarked = isWhole && orphaned && marked.length === 0;
    const givesBack = this.#will.lease !== undefined;
    const nobody = nobodyMarked && (!givesBack || below([process.ppid], young).length === 0);
    this.#looks = nobody ? this.#looks + 1 : 0;
    // Who does not see the first process does not see those of others: `sudo`, for one.
    return this.#looks >= looksMin && (!givesBack || seen.some(({ pid }) => pid === 1));
  }

  #isYoung({ dead, pid, startedAt }: SeenProcess): boolean {
    const since = Number(startedAt);
    if (dead || pid === process.pid || since < this.#since) return false;
    // Two guards of the same moment must not wait for each other.
    return since > this.#since || !isGuard(pid);
  }
}
