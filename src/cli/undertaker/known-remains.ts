import { processExists, readProcess } from '../../core/node.js';
import { processes, type SeenProcess } from '../processes.js';
import type { CommandProcess } from './command-process.js';
import { isMarked, kill, type Remains } from './remains.js';

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
    return each.sessionId === sessionId && isMarked(each.pid, this.#runId);
  }
}
