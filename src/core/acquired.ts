import type { Mode } from './backend.js';
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
  #answer!: (outcome: ReleaseOutcome) => void;
  readonly #answered = new Promise<ReleaseOutcome>((resolve) => {
    this.#answer = resolve;
  });

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
    return this.#answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** The queue is done with the turn. */
  over(): void {
    const { releaseOutcome, loss } = this.#turn;
    this.#answer(releaseOutcome ?? (loss === undefined ? 'released' : outcomeOfLoss[loss]));
  }
}
