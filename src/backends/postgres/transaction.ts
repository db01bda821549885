import { setTimeout as sleep } from 'node:timers/promises';
import { asciiName } from '../../core/ascii.js';
import { backoffMs } from '../../core/backoff.js';
import type { Transaction } from '../../core/database.js';
import { BackendUnavailableError, InvalidArgumentError, LeaseLostError } from '../../core/errors.js';
import type { Lease } from '../../core/lease.js';
import { limits } from '../../core/limits.js';
import { parseName } from '../../core/name.js';
import { askIn } from './ask-in.js';
import { sqlStateOf } from './errors.js';
import { parseSchema } from './options.js';
import { identifier, literal } from './sql/text.js';
import { v } from './sql/version.js';

export type PostgresTransaction = Transaction;

export interface TakeOptions {
  /** The schema of the tables, as given to `postgres()`. Default: `holdfast`. */
  readonly schema?: string;
  /** How long to wait for a name that is taken. Default: 0. The transaction stays open meanwhile, with all its locks. */
  readonly waitMs?: number;
}

/** How long one try waits for asks that are under way, which take microseconds. */
const tryMs = 100;

/**
 * Takes a name inside the caller's own transaction, or checks a lease there, so that what the transaction writes and what protects it
 * come true together.
 *
 * **With a name** it is the transaction's from now until it commits or rolls back: nobody is granted it meanwhile, asks of others are refused
 * or wait in their queue, and nothing is left to release. Answers its fence, or undefined if the name is held, or others wait for it. There is no TTL and no renewal: the hold
 * ends with the transaction, and that with its connection. Use the fence only for writes of this transaction: a rollback takes it back.
 *
 * **With a lease** it checks that the lease is still held, and makes sure that nobody else is granted its name before the transaction has ended, also if the
 * lease runs out in the middle: what the transaction writes can come neither after, nor between, the writes of the next holder. Renewals go on. Answers the fence of the
 * lease. Roll back when it throws.
 *
 * Both work in every isolation level, and through transaction poolers. Above READ COMMITTED a change of the row since the snapshot, a renewal for instance, is a
 * serialization failure (40001): try the transaction again; and renewals of a lease that was checked wait for its end, so keep it shorter than the TTL. Errors of the server are thrown as they are, because they end the transaction, whose business they are.
 *
 * @throws LeaseLostError if the lease is not held any more, by this process or by the server
 * @throws InvalidArgumentError if there is no transaction
 * @throws BackendUnavailableError if the tables are not there yet: use the backend once, or run `setupSql()`
 */
export async function acquireIn(
  tx: PostgresTransaction,
  name: string,
  options?: TakeOptions,
): Promise<{ readonly fence: bigint } | undefined>;
export async function acquireIn(
  tx: PostgresTransaction,
  lease: Lease,
  options?: Pick<TakeOptions, 'schema'>,
): Promise<{ readonly fence: bigint }>;
export async function acquireIn(
  tx: PostgresTransaction,
  what: string | Lease,
  { schema, waitMs = 0 }: TakeOptions = {},
): Promise<{ readonly fence: bigint } | undefined> {
  const s = identifier(parseSchema(schema));
  if (typeof what !== 'string') return check(tx, s, what);
  if (!Number.isFinite(waitMs) || waitMs < 0 || waitMs > limits.durationMsMax) {
    throw new InvalidArgumentError(`waitMs is ${waitMs}: give a number of milliseconds from 0 to ${limits.durationMsMax}`);
  }
  return take(tx, s, what, waitMs);
}

async function take(tx: PostgresTransaction, s: string, name: string, waitMs: number): Promise<{ fence: bigint } | undefined> {
  const stored = literal(asciiName(parseName(name).encoded));
  const endMs = performance.now() + waitMs;
  for (let tries = 1; ; tries++) {
    const fence = await askExplained(tx, `SELECT ${s}.${v}_take_in(${stored}, ${tryMs}) AS r`, 'acquireIn()');
    if (fence !== null) return { fence: BigInt(fence) };
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return undefined;
    await sleep(Math.min(leftMs, backoffMs(tries, limits.backoffMsMin, 250, Math.random())));
  }
}

async function check(tx: PostgresTransaction, s: string, lease: Lease): Promise<{ fence: bigint }> {
  // Reads the local deadline first.
  const { fence, name } = lease;
  const stored = literal(asciiName(parseName(name).encoded));
  const held = await askExplained(tx, `SELECT ${s}.${v}_check_in(${stored}, ${fence}) AS r`, 'acquireIn()');
  if (held === 'true' || held === 't') return { fence };
  throw new LeaseLostError('forgotten', `the lease "${name}" is not held any more: roll the transaction back`, { lock: name });
}

/** One statement of ours in a transaction of the application. @throws what the server says, explained where it is about us */
export async function askExplained(tx: PostgresTransaction, text: string, who: string): Promise<string | null> {
  try {
    return await askIn(tx, text, who);
  } catch (cause) {
    throw explained(cause);
  }
}

function explained(error: unknown): unknown {
  const state = sqlStateOf(error);
  if (state === '42883' || state === '3F000' || state === '42P01') {
    return new BackendUnavailableError(
      "PostgreSQL: Holdfast's tables are not there: use the backend once before, or run setupSql()",
      {
        cause: error,
        permanent: true,
      },
    );
  }
  return error;
}
