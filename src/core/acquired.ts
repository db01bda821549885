import type { Mode } from './backend.js';
import type { CallerActions } from './caller.js';
import { detached } from './detached.js';
import type { HeldLease, ReleaseOutcome, Turn } from './lease.js';

/** What is known of a lock that was lost before it was released: nobody needs to ask the store. */
const outcomeOfLoss = {
  stolen: 'not-owner',
  revoked: 'absent',
  forgotten: 'absent',
  expired: 'absent',
  overdue: 'absent',
} as const;

/** The lease of `acquire`: a turn whose work is over when its owner says so. */
export class AcquiredLease implements HeldLease {
  readonly #turn: Turn;
  readonly #workDone: () => void;
  #outcome: ReleaseOutcome | undefined;
  #answered: Promise<ReleaseOutcome> | undefined;
  #answer: ((outcome: ReleaseOutcome) => void) | undefined;

  constructor(turn: Turn, workDone: () => void) {
    this.#turn = turn;
    this.#workDone = workDone;
  }

  get name(): string {
    return this.#turn.name;
  }

  get mode(): Mode {
    return this.#turn.mode;
  }

  get fence(): bigint {
    return this.#turn.fence;
  }

  get signal(): AbortSignal {
    return this.#turn.signal;
  }

  get remainingMs(): number {
    return this.#turn.remainingMs;
  }

  get ttlMs(): number {
    return this.#turn.ttlMs;
  }

  get acquiredAt(): number {
    return this.#turn.acquiredAt;
  }

  assertHeld(): void {
    this.#turn.assertHeld();
  }

  release(): Promise<ReleaseOutcome> {
    this.#workDone();
    this.#answered ??= new Promise((resolve) => {
      if (this.#outcome === undefined) this.#answer = resolve;
      else resolve(this.#outcome);
    });
    return this.#answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** The queue is done with the turn. */
  over(): void {
    const { releaseOutcome, loss } = this.#turn;
    this.#outcome = releaseOutcome ?? (loss === undefined ? 'released' : outcomeOfLoss[loss]);
    this.#answer?.(this.#outcome);
  }
}

/** What the queue does with a caller of `acquire`. */
export class AcquireWork implements CallerActions {
  readonly #leases: Set<() => void>;
  readonly #done: () => void;
  readonly #resolve: (lease: HeldLease) => void;
  readonly #reject: (reason: unknown) => void;
  #lease: AcquiredLease | undefined;

  /**
   * @param leases those that nobody has released yet: each can be ended by calling it
   * @param done told when it holds nothing and waits for nothing any more
   */
  constructor(leases: Set<() => void>, done: () => void, resolve: (lease: HeldLease) => void, reject: (reason: unknown) => void) {
    this.#leases = leases;
    this.#done = done;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(turn: Turn | null, workDone: () => void): void {
    const finish = () => {
      if (!this.#leases.delete(finish)) return;
      this.#done();
      // Not at once: it may be released inside a listener that hears of its loss.
      // Nor in the context of whoever releases: the next caller's turn begins in it.
      detached(() => void Promise.resolve().then(workDone));
    };
    this.#leases.add(finish);
    // `null` is for those who want it only if it is available, and `acquire` has no such option.
    this.#lease = new AcquiredLease(turn as Turn, finish);
    this.#resolve(this.#lease);
  }

  lost(): void {}

  fail(reason: unknown): void {
    this.#done();
    this.#reject(reason);
  }

  over(): void {
    this.#lease?.over();
  }
}
