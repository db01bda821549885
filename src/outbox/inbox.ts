import type { Database, DatabaseFunctions, Transaction } from '../core/database.js';
import { InvalidArgumentError } from '../core/errors.js';
import type { OutboxMessage } from './event.js';
import { inboxDefinitions } from './sql/inbox.js';
import { storedText } from './stored.js';

export interface InboxOptions {
  /** Who takes the events. Each consumer has marks of its own. */
  readonly consumer: string;
  /**
   * What the first event of a key means that is not the key's first: `gap` (default) says that something is missing; `start` begins there, for a
   * consumer that comes later than the outbox.
   */
  readonly joining?: 'gap' | 'start';
}

/**
 * - `taken`: new, and next: do the work in the same transaction.
 * - `duplicate`: it, or one after it, was taken before: acknowledge it, and do nothing.
 * - `gap`: one before it has not been seen: do not acknowledge it, it has to come again.
 */
export type Taken =
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'duplicate'; readonly mark: bigint }
  | { readonly outcome: 'gap'; readonly mark: bigint };

export type InboxMessage = Pick<OutboxMessage, 'id' | 'key' | 'sequence' | 'after'>;

const timeoutMs = 30_000;
const rowsMax = 10_000;

/** Drops duplicates, and what comes in another order than it was written, in the consumer's own transaction. */
export class Inbox {
  readonly #functions: DatabaseFunctions;
  readonly #consumer: string;
  readonly #anywhere: boolean;

  constructor(database: Database, { consumer, joining = 'gap' }: InboxOptions) {
    if (typeof consumer !== 'string' || consumer === '') {
      throw new InvalidArgumentError('an inbox needs the name of its consumer, such as "ledger"');
    }
    if (joining !== 'gap' && joining !== 'start')
      throw new InvalidArgumentError(`joining is "gap" or "start", not ${String(joining)}`);
    this.#functions = database.functions(inboxDefinitions);
    this.#consumer = storedText(consumer);
    this.#anywhere = joining === 'start';
  }

  /**
   * Says whether to do the work of a message, and writes that it is done, in the caller's transaction: if that rolls back, the message is as
   * new as before. Another delivery of the same key waits for the end of the transaction.
   *
   * Errors of the server are thrown as they are, because they end the transaction.
   *
   * @throws InvalidArgumentError if there is no transaction, or the message is none of an outbox
   */
  async accept(tx: Transaction, message: InboxMessage): Promise<Taken> {
    const { id, key, sequence, after } = message;
    if (key !== undefined && (typeof sequence !== 'bigint' || typeof after !== 'bigint')) {
      throw new InvalidArgumentError('a message with a key needs its sequence and what it comes after: hand on both with it');
    }
    const args = [
      this.#consumer,
      id,
      key === undefined ? null : storedText(key),
      sequence ?? null,
      after ?? null,
      this.#anywhere,
    ];
    const [outcome, mark = '0'] = (await this.#functions.callIn(tx, 'inbox_accept', args))?.split(' ') ?? [];
    if (outcome === 'duplicate' || outcome === 'gap') return { outcome, mark: BigInt(mark) };
    return { outcome: 'taken' };
  }

  /**
   * Forgets what was taken longer ago than that. What is delivered again after it is taken again, where it has no key, or its key has had no
   * event since; and a hole in front of an event of such a key is not noticed if what is missing is as old. So keep it longer than the
   * transport can hold anything back. Answers how much was forgotten.
   *
   * @throws BackendUnavailableError, OutcomeUnknownError
   */
  async forget(olderThanMs: number): Promise<number> {
    if (!Number.isFinite(olderThanMs) || olderThanMs < 0)
      throw new InvalidArgumentError('olderThanMs is a number of milliseconds from 0');
    const args = [this.#consumer, Math.ceil(olderThanMs), rowsMax];
    for (let sum = 0; ; ) {
      const gone = Number(await this.#functions.call('inbox_forget', args, 'forgetting what was taken', timeoutMs));
      sum += gone;
      if (gone < rowsMax) return sum;
    }
  }
}

/** @param database such as `postgresDatabase(pool)` of `holdfast/postgres`: that of the consumer's own tables */
export function inbox(database: Database, options: InboxOptions): Inbox {
  return new Inbox(database, options);
}
