import { readFileSync } from 'node:fs';
import process from 'node:process';
import { processExists, readProcess } from '../../core/node.js';
import { processes, type SeenProcess } from '../processes.js';
import type { CommandProcess } from './command-process.js';

/** What may be left of a command whose holder is dead. */
export interface Remains {
  /** Kills what is left. True if that was nothing. */
  end(): boolean;
}

/** The command itself, and what it started. */
export class KnownRemains implements Remains {
  readonly #command: CommandProcess;
  readonly #runId: string;

  constructor(command: CommandProcess, runId: string) {
    this.#command = command;
    this.#runId = runId;
  }

  end(): boolean {
    const { pid, ownGroup } = this.#command;
    const anothers = this.#isAnothers();
    // Nobody gets the number of a group or session that somebody is in.
    if (ownGroup && anothers) return true;
    const found = processes().filter((each) => (each.pid === pid ? !anothers : this.#isBelow(each)));
    if (killed(found)) return false;
    // Only dead ones that nobody collects, as in a container without an init.
    if (found.length > 0) return true;
    // What cannot be seen (no `/proc`, or a hidden one) can still be asked for.
    return anothers || !processExists(ownGroup ? -pid : pid);
  }

  /** Whether the pid was given to another process. */
  #isAnothers(): boolean {
    const { pid, startedAt } = this.#command;
    const now = readProcess(pid);
    return now !== undefined && startedAt !== '' && now.startedAt !== startedAt;
  }

  #isBelow(each: SeenProcess): boolean {
    const { pid, ownGroup, sessionId } = this.#command;
    if (ownGroup) return each.sessionId === pid;
    // The session of a terminal has others in it, too.
    return each.sessionId === sessionId && isMarked(each, this.#runId) === true;
  }
}

/** How often nothing must be found: the environment of a program that begins can be seen a moment after the program. */
const looksWithoutFindingMin = 4;

/**
 * A command whose holder died before it could say which process that is: whatever has its mark. It runs by now, or never
 * will: what was being started had the other end of the guard's pipe, and lost it when its program began.
 */
export class UnknownRemains implements Remains {
  readonly #runId: string;
  /** The undertaker was a shell before, and older than the command. */
  readonly #since = startedAt(process.pid);
  #looks = 0;

  constructor(runId: string) {
    this.#runId = runId;
  }

  end(): boolean {
    const seen = processes();
    // Without `/proc`, or with one that hides others' processes (`sudo`), nobody knows: then the TTL decides.
    if (seen.every(({ pid }) => pid !== 1)) return false;
    const found = seen.filter((each) => !each.dead && isMarked(each, this.#runId) === true);
    const hidden = seen.some((each) => this.#isSince(each) && isMarked(each, this.#runId) === undefined);
    this.#looks = killed(found) || hidden ? 0 : this.#looks + 1;
    return this.#looks >= looksWithoutFindingMin;
  }

  #isSince(each: SeenProcess): boolean {
    return !each.dead && Number(each.startedAt) >= this.#since;
  }
}

function startedAt(pid: number): number {
  return Number(readProcess(pid)?.startedAt ?? 0);
}

/** Undefined if it does not show its environment: it is another user's. */
function isMarked({ pid }: SeenProcess, runId: string): boolean | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`HOLDFAST_RUN_ID=${runId}`);
  } catch (error) {
    // Else it has ended.
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? undefined : false;
  }
}

/** Whether there was anybody to be killed. */
function killed(found: readonly SeenProcess[]): boolean {
  const alive = found.filter(({ dead }) => !dead);
  for (const { pid } of alive) kill(pid);
  return alive.length > 0;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile, or may not be killed by us: the next look tells.
  }
}
