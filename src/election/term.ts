import { ClosedError } from '../core/errors.js';
import type { Lease } from '../core/lease.js';

/** What the leader's work receives. It is valid from the election until the work has ended or the lease is lost. */
export interface Term {
  readonly name: string;
  /**
   * The number of the term: larger than that of every term of this name before. It is the fence of the lease: hand it to
   * whatever the work writes to. Reading it reads the clock first.
   *
   * @throws LeaseLostError if the term is lost; ClosedError if the work has ended
   */
  readonly term: bigint;
  /**
   * Aborted when the work is to end: with a `LeaseLostError` as its reason no later than the lease's deadline, with a `ClosedError`
   * when the leader steps down. In the second case the lease is kept until the work has ended.
   */
  readonly signal: AbortSignal;
  /** Time left until the lease's deadline if no further renewal succeeds, in milliseconds. */
  readonly remainingMs: number;
  /** @throws LeaseLostError if the term is lost; ClosedError if the work has ended */
  assertLeading(): void;
  /** Asks the work to end: aborts `signal`, and returns at once. The candidate campaigns again. */
  resign(): void;
}

/** One term of one candidate, on the lease behind it. */
export class LeasedTerm implements Term {
  readonly number: bigint;
  readonly #lease: Lease;
  readonly #resign: () => void;
  readonly #controller = new AbortController();

  /** @param resign what `resign` does */
  constructor(lease: Lease, resign: () => void) {
    this.number = lease.fence;
    this.#lease = lease;
    this.#resign = resign;
    const { signal } = lease;
    signal.addEventListener('abort', () => this.#controller.abort(signal.reason), { once: true });
  }

  get name(): string {
    return this.#lease.name;
  }

  get term(): bigint {
    return this.#lease.fence;
  }

  get signal(): AbortSignal {
    // The lease's reads the clock, and hands a loss on before this line is over.
    void this.#lease.signal;
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return this.#lease.remainingMs;
  }

  assertLeading(): void {
    this.#lease.assertHeld();
  }

  resign(): void {
    this.#resign();
  }

  /** Whether the work has been told to end. Reads no clock. */
  get toldToEnd(): boolean {
    return this.#controller.signal.aborted;
  }

  stepDown(why: string): void {
    const { name } = this;
    this.#controller.abort(
      new ClosedError(`${why} ("${name}"): end the work, the lease is kept until it has ended`, { lock: name }),
    );
  }
}
