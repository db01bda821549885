import { HoldfastError } from '../../src/core/errors.js';
import type { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import { until } from './waits.js';

/** What a turn may meet while the store is in trouble. */
const trouble: ReadonlySet<string> = new Set(['LEASE_LOST', 'BACKEND_UNAVAILABLE', 'OUTCOME_UNKNOWN']);

/** Holders that take turns on one name, again and again, until they are told to stop. */
export class Crowd {
  /** Turns that came to their end. */
  turns = 0;
  /** Turns that were lost, or never began. */
  readonly failures: HoldfastError[] = [];
  readonly #work: (lease: Lease) => Promise<unknown>;
  readonly #running: readonly Promise<void>[];
  #stopped = false;

  constructor(holders: readonly Holdfast[], name: string, work: (lease: Lease) => Promise<unknown>) {
    this.#work = work;
    this.#running = holders.map((holder) => this.#run(holder, name));
  }

  /** Waits for so many more turns: the waiters go on. */
  async more(turns: number, withinMs?: number): Promise<void> {
    const wanted = this.turns + turns;
    await until(() => this.turns >= wanted, `${turns} more turns`, withinMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #run(holder: Holdfast, name: string): Promise<void> {
    while (!this.#stopped) {
      try {
        await holder.request(name, this.#work);
        this.turns += 1;
      } catch (error) {
        const cause = error instanceof HoldfastError ? error : (error as Error).cause;
        // A test that failed does not stop it.
        if (cause instanceof HoldfastError && cause.code === 'CLOSED') return;
        if (!(cause instanceof HoldfastError) || !trouble.has(cause.code)) throw error;
        this.failures.push(cause);
      }
    }
  }
}
