import { setTimeout as sleep } from 'node:timers/promises';
import process from 'node:process';
import { below, census, deepestFirst, type SeenProcess, waitUntilStopped } from './processes.js';
import { belongings, isYounger } from './undertaker/belongings.js';
import type { CommandProcess } from './undertaker/command-process.js';
import { isGuard, isHidden } from './undertaker/mark.js';
import { looksMin } from './undertaker/remains.js';

const pauseMsMin = 10;
const pauseMsMax = 1_000;
/** The pause grows with the wait, and with what a look at all processes costs. */
const waitRatio = 0.05;
const lookRatio = 20;
/** Where nobody shows which processes are dead, and only wait to be collected: as in a container without an init. */
const pollsAfterKillMax = 10;
/** What hangs in the kernel does not stop; and who was continued by somebody else meanwhile stands no more. */
const suspendMsMax = 300;
/** Who has stopped itself because its child had been stopped is continued once more. */
const resumeAgainMs = 100;
const resumesAgain = 10;

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
  /** Who was asked to end, apart from the command. */
  readonly #asked = new Set<number>();
  /** Who was stopped, apart from whom a signal to the command reaches. */
  readonly #stopped = new Set<number>();
  #resuming: NodeJS.Timeout | undefined;
  #terminating = false;
  #killed = false;
  #pollsAfterKill = 0;
  /** The command has ended, and its group and session with it: their number may be another's. */
  #groupIsOver = false;

  /** @param isCollected whether the command has ended, so that its number may be another's */
  constructor(command: CommandProcess, runId: string, isCollected: () => boolean) {
    this.#command = command;
    this.#runId = runId;
    this.#isCollected = isCollected;
  }

  /** To the command's group, or to the command where it shares ours: what a person or a service manager sends. */
  signal(signal: NodeJS.Signals): void {
    const { pid, ownGroup } = this.#command;
    // Nobody gets the number of one that was not collected, nor of a group that somebody is in.
    if (!this.#isCollected()) send(ownGroup ? -pid : pid, signal);
    else if (ownGroup && this.#isGroupThere()) send(-pid, signal);
  }

  /** Stops everything that was started: nothing of it may go on while nobody looks after the lease. */
  suspend(): void {
    clearInterval(this.#resuming);
    const untilMs = performance.now() + suspendMsMax;
    // Also where the terminal has sent its own stop signal: a command may ignore that one.
    this.signal('SIGSTOP');
    for (let found = -1; found < this.#stopped.size; ) {
      found = this.#stopped.size;
      // Once more if there were any: they may have started others meanwhile. Parents first, see `resume`: each stands before its children do.
      for (const each of deepestFirst(this.#all()).toReversed()) {
        if (!this.#isReached(each) && !this.#stopped.has(each.pid) && !each.stopped) {
          this.#stopped.add(each.pid);
          send(each.pid, 'SIGSTOP');
        }
        waitUntilStopped(each.pid, untilMs);
      }
    }
  }

  /** The end of `suspend`. What had stopped before by itself is left alone. */
  resume(): void {
    clearInterval(this.#resuming);
    const stopped = new Set(this.#stopped);
    this.#stopped.clear();
    // Children first: a parent that is told of a stopped child takes it for a job that a person has stopped.
    for (const { pid } of deepestFirst(this.#all())) if (stopped.has(pid)) send(pid, 'SIGCONT');
    this.signal('SIGCONT');
    // Some (`su`, `script`) have been told all the same, and stop themselves; and a run inside of this one may not have come to an end with it.
    let left = resumesAgain;
    this.#resuming = setInterval(() => {
      for (const each of this.#all()) {
        if (each.stopped && (this.#isReached(each) || stopped.has(each.pid))) send(each.pid, 'SIGCONT');
      }
      left -= 1;
      if (left === 0) clearInterval(this.#resuming);
    }, resumeAgainMs).unref();
  }

  /** Asks everything to end that was started. */
  terminate(): void {
    // Before any of them ends: whose parent has ended is known by its mark alone.
    this.#all();
    this.signal('SIGTERM');
    // A stopped process gets no signal but this one.
    this.signal('SIGCONT');
    this.#terminating = true;
    this.#askOthers();
  }

  /** Ends everything that was started, also what is born meanwhile: see `gone`. */
  kill(): void {
    this.#killed = true;
    // Before any look, which takes its time on a machine with many processes. Not killed yet: whose parent has ended is known by its mark alone.
    this.signal('SIGSTOP');
    const all = this.#all();
    this.signal('SIGKILL');
    for (const each of all) if (!this.#isReached(each)) send(each.pid, 'SIGKILL');
  }

  /** Those that are left, by their numbers: as far as they are shown. */
  left(): readonly number[] {
    const { seen } = census();
    return pidsOf(new Set([...this.#all(seen), ...this.#hidden(seen)]));
  }

  /** Waits until nothing is left, which may be after the end of the command itself. */
  async gone(): Promise<void> {
    const sinceMs = performance.now();
    for (let looks = 0; looks < looksMin; ) {
      const lookedMs = performance.now();
      looks = this.#isLeft() ? 0 : looks + 1;
      if (looks === 0 && this.#killed) this.kill();
      else if (looks === 0 && this.#terminating) this.#askOthers();
      const nowMs = performance.now();
      const pauseMs = looks > 0 ? 0 : Math.max(waitRatio * (nowMs - sinceMs), lookRatio * (nowMs - lookedMs));
      await sleep(Math.min(Math.max(pauseMs, pauseMsMin), pauseMsMax));
    }
  }

  /**
   * Whom the first signal did not reach, once each. In another group only its first process: many hand on what they are sent, and twice
   * means at once to some. What has left the session is asked when nobody is left who could hand it on.
   */
  #askOthers(): void {
    const { sessionId, ownGroup } = this.#command;
    const { seen } = census();
    const all = this.#all(seen);
    const ours = seen.find((each) => each.pid === process.pid)?.groupId;
    for (const each of all) {
      if (this.#isReached(each) || this.#asked.has(each.pid)) continue;
      const parent = all.find((other) => other.pid === each.parentPid);
      const isFirst = parent === undefined || parent.groupId !== each.groupId;
      const isNear = each.sessionId === sessionId && (isFirst || (!ownGroup && each.groupId === ours));
      if (parent !== undefined && !isNear) continue;
      this.#asked.add(each.pid);
      send(each.pid, 'SIGTERM');
      send(each.pid, 'SIGCONT');
    }
  }

  #isLeft(): boolean {
    const { seen, isWhole } = census();
    const { pid, ownGroup } = this.#command;
    const isSessionSeen = seen.some(({ sessionId }) => sessionId === pid);
    if (ownGroup && isWhole && !isSessionSeen && this.#isCollected() && send(-pid, 0) === 'nobody') this.#groupIsOver = true;
    if (seen.length > 0 && this.#all(seen).length + this.#hidden(seen).length > 0) return true;
    return this.#isGroupLeft(seen);
  }

  /** What is not shown can still be asked for. */
  #isGroupLeft(seen: readonly SeenProcess[]): boolean {
    const { pid, ownGroup } = this.#command;
    if (!ownGroup || this.#groupIsOver) return false;
    const answer = send(-pid, 0);
    if (answer !== 'done') return answer === 'refused';
    // Only dead ones that nobody collects.
    if (seen.some((each) => each.dead && each.groupId === pid)) return false;
    return !this.#killed || this.#pollsAfterKill++ < pollsAfterKillMax;
  }

  /** On a terminal: another user's whose parent has died (`sudo` in the background), which shows no mark and may not be killed. */
  #hidden(seen: readonly SeenProcess[]): readonly SeenProcess[] {
    const { ownGroup, sessionId } = this.#command;
    if (ownGroup) return [];
    const session = new Set(seen.flatMap((each) => (each.sessionId === sessionId ? [each.pid] : [])));
    return seen.filter(
      (each) =>
        !each.dead &&
        session.has(each.pid) &&
        !session.has(each.parentPid) &&
        each.pid !== sessionId &&
        isYounger(this.#command, each) &&
        isHidden(each.pid),
    );
  }

  #all(seen = census().seen): readonly SeenProcess[] {
    const command = this.#groupIsOver ? { ...this.#command, ownGroup: false } : this.#command;
    const known = seen.filter(({ pid, startedAt }) => this.#met.get(pid) === startedAt && !isGuard(pid));
    const roots = new Set([...belongings(command, this.#runId, seen), ...known]);
    // The guard of a run inside of this one gives its name back.
    const guards = new Set(below(pidsOf(roots), seen).filter(({ pid }) => isGuard(pid)));
    const others = seen.filter((each) => !guards.has(each));
    const all = [...roots, ...below(pidsOf(roots), others)].filter(({ dead }) => !dead);
    for (const { pid, startedAt } of all) this.#met.set(pid, startedAt);
    return all;
  }

  #isGroupThere(): boolean {
    const { seen } = census();
    return !this.#groupIsOver && (seen.length === 0 || this.#all(seen).some((each) => this.#isReached(each)));
  }

  /** By a signal to the group, or to the command. */
  #isReached({ pid, groupId }: SeenProcess): boolean {
    return this.#command.ownGroup ? groupId === this.#command.pid : pid === this.#command.pid;
  }
}

function pidsOf(processes: Iterable<SeenProcess>): readonly number[] {
  return [...processes].map(({ pid }) => pid);
}

/** `refused`: it is another user's. */
function send(pid: number, signal: NodeJS.Signals | 0): 'done' | 'refused' | 'nobody' {
  try {
    process.kill(pid, signal);
    return 'done';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'nobody' : 'refused';
  }
}
