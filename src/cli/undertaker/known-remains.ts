import process from 'node:process';
import { processExists, readProcess } from '../../core/node.js';
import { below, census, type SeenProcess } from '../processes.js';
import { belongings, isYounger } from './belongings.js';
import type { CommandProcess } from './command-process.js';
import { kill, looksMin, type Remains } from './remains.js';

/** The command itself, and what it started. */
export class KnownRemains implements Remains {
  readonly #command: CommandProcess;
  readonly #runId: string;
  #looks = 0;

  constructor(command: CommandProcess, runId: string) {
    this.#command = command;
    this.#runId = runId;
  }

  end(): boolean {
    const { seen } = census();
    if (seen.length === 0) return this.#isGone();
    const left = belongings(this.#command, this.#runId, seen);
    for (const { pid } of left) kill(pid);
    if (left.length > 0 || this.#hidden(seen).length > 0) {
      this.#looks = 0;
      return false;
    }
    this.#looks += 1;
    if (this.#looks < looksMin) return false;
    const { pid, ownGroup } = this.#command;
    // Only dead ones that nobody collects, as in a container without an init. Else what is hidden can still be asked for.
    return seen.some((each) => each.pid === pid || (ownGroup && each.sessionId === pid)) || this.#isGone();
  }

  /**
   * On a terminal, whoever could be of the command and does not show its environment, or has cleared it: younger, of its session, and an
   * orphan or below one, as the parent is dead. Another user's (`sudo`) cannot be killed; others are not ours to kill. Where who inherits
   * orphans is of the session itself, as the first process of a container, those cannot be told from its other children.
   */
  #hidden(seen: readonly SeenProcess[]): readonly SeenProcess[] {
    const { ownGroup, sessionId } = this.#command;
    if (ownGroup) return [];
    const young = seen.filter((each) => !each.dead && each.sessionId === sessionId && isYounger(this.#command, each));
    const reaperIsNear = seen.some((each) => each.pid === process.ppid && each.sessionId === sessionId);
    return reaperIsNear ? [] : below([process.ppid], young);
  }

  /** By the number alone. Nobody gets that of a group or session that somebody is in. */
  #isGone(): boolean {
    const { pid, ownGroup, startedAt } = this.#command;
    const now = readProcess(pid);
    const isAnothers = now !== undefined && startedAt !== '' && now.startedAt !== startedAt;
    return isAnothers || !processExists(ownGroup ? -pid : pid);
  }
}
