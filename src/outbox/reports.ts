import { backoffMs } from '../core/backoff.js';
import { limits } from '../core/limits.js';
import { UnpublishableError } from './publisher.js';
import { type Letter, storedError } from './stored.js';

interface Failure {
  readonly shard: number;
  readonly pos: number;
  /** Tries that failed so far: said, not counted, so that it may be said twice. */
  readonly attempts: number;
  readonly ms: number;
  readonly dead: boolean;
  readonly error: string;
}

export interface Verdict {
  readonly dead: boolean;
  readonly retryInMs: number;
}

/** What became of events, until the database knows. Of each the last word counts. */
export class Reports {
  readonly #attemptsMax: number;
  #done = new Map<number, Letter>();
  #failed = new Map<number, Failure>();

  constructor(attemptsMax: number) {
    this.#attemptsMax = attemptsMax;
  }

  get size(): number {
    return this.#done.size + this.#failed.size;
  }

  published(letter: Letter): void {
    this.#failed.delete(letter.pos);
    this.#done.set(letter.pos, letter);
  }

  failed(letter: Letter, error: unknown): Verdict {
    const { attempt } = letter.message;
    const dead = attempt >= this.#attemptsMax || error instanceof UnpublishableError;
    const ms = Math.ceil(backoffMs(attempt, limits.outboxRetryMsMin, limits.outboxRetryMsMax, Math.random()));
    this.#fail(letter, { attempts: attempt, ms, dead, error: storedError(error) });
    return { dead, retryInMs: ms };
  }

  /** Still under way: its key waits, others go on. If nobody ever hears of it again, it is tried again after that time. */
  slow(letter: Letter, ms: number): void {
    this.#fail(letter, { attempts: letter.message.attempt - 1, ms, dead: false, error: 'still under way' });
  }

  #fail({ shard, pos }: Letter, failure: Omit<Failure, 'shard' | 'pos'>): void {
    if (!this.#done.has(pos)) this.#failed.set(pos, { shard, pos, ...failure });
  }

  /** All of them, as the functions of the database take them. `undo` puts them back where nothing newer is known. */
  take(): { readonly done: string; readonly failed: string; undo(): void } {
    const [done, failed] = [this.#done, this.#failed];
    this.#done = new Map();
    this.#failed = new Map();
    return {
      done: JSON.stringify([...done.values()].map(({ shard, pos }) => [shard, pos])),
      failed: JSON.stringify([...failed.values()]),
      undo: () => {
        for (const [pos, letter] of done) this.#done.set(pos, letter);
        for (const [pos, failure] of failed) if (!this.#failed.has(pos) && !this.#done.has(pos)) this.#failed.set(pos, failure);
      },
    };
  }
}
