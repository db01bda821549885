import { readFileSync } from 'node:fs';
import process from 'node:process';
import { processExists, readProcess } from '../../core/node.js';
import { processes, type SeenProcess } from '../processes.js';
import type { CommandProcess } from './command-process.js';
import type { Will } from './will.js';

/** What may be left of a command whose holder is dead: itself, and what it started. */
export class Remains {
  readonly #command: CommandProcess;
  /** What everything has in its environment that was started under the lease. */
  readonly #marks: readonly string[];

  constructor(command: CommandProcess, { name, fence }: Will) {
    this.#command = command;
    this.#marks = [`HOLDFAST_NAME=${name}`, `HOLDFAST_FENCE=${fence}`];
  }

  /** Kills what is left. True if that was nothing. */
  end(): boolean {
    const { pid, ownGroup } = this.#command;
    const anothers = this.#isAnothers();
    // Nobody gets the number of a group or session that somebody is in.
    if (ownGroup && anothers) return true;
    const found = processes().filter((each) => (each.pid === pid ? !anothers : this.#isBelow(each)));
    const alive = found.filter(({ dead }) => !dead);
    for (const each of alive) kill(each.pid);
    if (alive.length > 0) return false;
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
    return each.sessionId === sessionId && this.#isMarked(each.pid);
  }

  #isMarked(pid: number): boolean {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      return this.#marks.every((mark) => environment.includes(mark));
    } catch {
      // It has ended, or is another user's, whom we could not kill anyway.
      return false;
    }
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile, or may not be killed by us: the next look tells.
  }
}
