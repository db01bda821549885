import { setTimeout as sleep } from 'node:timers/promises';
import process from 'node:process';
import { processExists } from '../core/node.js';
import { below, census, type SeenProcess } from './processes.js';
import { belongings } from './undertaker/belongings.js';
import type { CommandProcess } from './undertaker/command-process.js';
import { looksMin } from './undertaker/remains.js';

const pauseMsMin = 10;
const pauseMsMax = 100;
/** Where nobody shows which processes are dead, and only wait to be collected: as in a container without an init. */
const pollsAfterKillMax = 10;

/**
 * The processes of a command, for the holder that started it: its group and session where it leads one, and whatever else has the run's mark
 * or is below it. Where the kernel does not show processes (outside of Linux), the group, or the command alone.
 */
export class Tree {
  readonly #command: CommandProcess;
  readonly #runId: string;
  readonly #isCollected: () => boolean;
  /** Who was seen to be of it, and when that one began: without a mark, one whose parent has died is known by nothing else. */
  readonly #met = new Map<number, string>();
  #killed = false;
  #pollsAfterKill = 0;

  /** @param isCollected whether the command has ended, so that its number may be another's */
  constructor(command: CommandProcess, runId: string, isCollected: () => boolean) {
    this.#command = command;
    this.#runId = runId;
    this.#isCollected = isCollected;
  }

  /** To the command's group, or to the command where it shares ours: what a person or a service manager sends. */
  signal(signal: NodeJS.Signals): void {
    const { pid, ownGroup } = this.#command;
    if (ownGroup) send(-pid, signal);
    else if (!this.#isCollected()) send(pid, signal);
  }

  /** Asks everything to end that was started, in the command's session: what has left that, hears of it from what started it. */
  terminate(): void {
    const inSession = this.#all().filter(({ sessionId }) => sessionId === this.#command.sessionId);
    for (const signal of ['SIGTERM', 'SIGCONT'] as const) {
      this.signal(signal);
      // A stopped process gets no signal but the second.
      for (const each of inSession) if (!this.#isReached(each)) send(each.pid, signal);
    }
  }

  /** Ends everything that was started, also what is born meanwhile: see `gone`. */
  kill(): void {
    this.#killed = true;
    this.#kill();
  }

  /** Those that are left, by their numbers. */
  left(): readonly number[] {
    return this.#all().map(({ pid }) => pid);
  }

  /** Waits until nothing is left, which may be after the end of the command itself. */
  async gone(): Promise<void> {
    let looks = 0;
    for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(1.5 * pauseMs, pauseMsMax)) {
      looks = this.#isLeft() ? 0 : looks + 1;
      if (looks >= looksMin) return;
      if (this.#killed && looks === 0) this.#kill();
      await sleep(looks > 0 ? pauseMsMin : pauseMs);
    }
  }

  #isLeft(): boolean {
    const { pid, ownGroup } = this.#command;
    const { seen } = census();
    if (seen.length > 0) return this.#all(seen).length > 0;
    if (!ownGroup || (this.#killed && this.#pollsAfterKill++ >= pollsAfterKillMax)) return false;
    return processExists(-pid);
  }

  #kill(): void {
    const { seen } = census();
    if (seen.length === 0) return this.signal('SIGKILL');
    const all = this.#all(seen);
    // A group is killed in one step: nobody is born in it meanwhile. Once nobody is left, its number may be another's.
    if (all.some((each) => this.#isReached(each))) this.signal('SIGKILL');
    for (const each of all) if (!this.#isReached(each)) send(each.pid, 'SIGKILL');
  }

  #all(seen = census().seen): readonly SeenProcess[] {
    const known = seen.filter(({ pid, startedAt }) => this.#met.get(pid) === startedAt);
    const roots = new Set([...belongings(this.#command, this.#runId, seen), ...known]);
    const lower = below(
      [...roots].map(({ pid }) => pid),
      seen,
    );
    const all = [...roots, ...lower].filter(({ dead }) => !dead);
    for (const { pid, startedAt } of all) this.#met.set(pid, startedAt);
    return all;
  }

  /** By a signal to the group, or to the command. */
  #isReached({ pid, groupId }: SeenProcess): boolean {
    return this.#command.ownGroup ? groupId === this.#command.pid : pid === this.#command.pid;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile, or is another user's: whoever waits for its end sees that.
  }
}
