import { messageOf } from '../../core/calls.js';
import { refuseUnknown } from '../../core/checks.js';
import { BackendUnavailableError, HoldfastError, InvalidArgumentError } from '../../core/errors.js';
import { type CheckedWrite, checkedResource, checkedWrite, type FencedWrite, type Guard, refuseStale } from '../../core/guard.js';
import { limits } from '../../core/limits.js';
import { asciiName } from '../../core/ascii.js';
import { SinkCalls } from '../calls.js';
import { answerOf, type PgClient, type PostgresClient, type PostgresTransaction, queryIn, sqlStateOf } from './client.js';
import { checkedSchema, identifier, installation, literal } from './sql.js';
import { type Driver, driverOf } from './transactions.js';

export type { FencedWrite, Guard } from '../../core/guard.js';
export type { PgClient, PgPool, PostgresClient, PostgresJs, PostgresTransaction } from './client.js';
export { type FencedUpdate, updateFenced } from './column.js';
export { type Enforcement, enforceSql, setupSql } from './sql.js';

const isolations = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const;

export interface PostgresGuardOptions {
  /** The schema of the marks. Default: `holdfast`. Created on first use, if the role may; else run what `setupSql()` answers. */
  readonly schema?: string;
  /** Names the sink in errors. Default: `postgres`. */
  readonly sink?: string;
  /** Of the transactions that `run` opens. Default: `READ COMMITTED`. */
  readonly isolation?: (typeof isolations)[number];
  /** How long one call of the guard's own may take: connecting, checking, committing. What the work does has no deadline here. Default: 5,000. */
  readonly commandTimeoutMs?: number;
  /** How long a check waits for another transaction that has checked the same resource and has not ended. Default: 2,000. */
  readonly lockTimeoutMs?: number;
  /**
   * After how long without a statement the server ends a transaction of `run`: while it is open nobody else can write to the resource, under
   * whatever fence, and a process that was stopped in the middle would keep it open for ever. Default: 10,000.
   */
  readonly idleTimeoutMs?: number;
}

export interface PostgresGuard<Tx> extends Guard<Tx> {
  /**
   * Checks the fence in a transaction of the caller's own, as the first thing in it. What the transaction writes afterwards is protected,
   * until it ends. Roll back when it throws. Errors of the server are thrown as they are: they have ended the transaction. Above READ COMMITTED
   * a serialization failure (40001) is one of them; it says nothing about the fence: try the transaction again.
   *
   * @throws StaleFenceError
   * @throws InvalidArgumentError if there is no transaction
   * @throws BackendUnavailableError if no answer came in time: close the connection
   */
  check(tx: PostgresTransaction, write: FencedWrite): Promise<void>;
  /** Creates the marks' table and its functions, where they are missing. `run`, `raise` and `mark` do it by themselves; `check` cannot. */
  setup(): Promise<void>;
}

/**
 * Guards what is written to a PostgreSQL database (13 or later): a row for each resource keeps the mark, and is updated first in the transaction
 * that writes. The pool stays the application's.
 *
 * @typeParam Tx what the work is given: a client of the pool, or the `sql` of postgres.js' `begin`
 * @throws InvalidArgumentError
 */
export function postgresGuard<Tx = PgClient>(client: PostgresClient, options: PostgresGuardOptions = {}): PostgresGuard<Tx> {
  return new MarksInPostgres<Tx>(client, options);
}

class MarksInPostgres<Tx> implements PostgresGuard<Tx> {
  readonly sink: string;
  readonly #schema: string;
  readonly #isolation: string;
  readonly #lockTimeoutMs: number;
  readonly #idleTimeoutMs: number;
  readonly #calls: SinkCalls;
  readonly #driver: Driver;

  constructor(client: PostgresClient, options: PostgresGuardOptions) {
    refuseUnknown(options, ['schema', 'sink', 'isolation', 'commandTimeoutMs', 'lockTimeoutMs', 'idleTimeoutMs']);
    const { schema, sink = 'postgres', isolation = 'READ COMMITTED', commandTimeoutMs } = options;
    if (!isolations.includes(isolation)) throw new InvalidArgumentError(`isolation is one of ${isolations.join(', ')}`);
    this.sink = sink;
    this.#schema = checkedSchema(schema);
    this.#isolation = isolation;
    this.#lockTimeoutMs = wholeMs('lockTimeoutMs', options.lockTimeoutMs ?? 2_000);
    this.#idleTimeoutMs = wholeMs('idleTimeoutMs', options.idleTimeoutMs ?? 10_000);
    this.#calls = new SinkCalls(sink, commandTimeoutMs);
    this.#driver = driverOf(client, this.#calls);
  }

  async run<T>(write: FencedWrite, work: (tx: Tx) => T | Promise<T>): Promise<T> {
    const checked = checkedWrite(write);
    const idle = `SET LOCAL idle_in_transaction_session_timeout = ${this.#idleTimeoutMs}; `;
    return this.#installed(() =>
      this.#driver.transaction({
        isolation: this.#isolation,
        first: idle + this.#call('v1_mark_raise', checked),
        checked: (results) => refuseStale(this.sink, checked, this.#markIn(results)),
        work: (context) => work(context as Tx),
      }),
    );
  }

  async check(tx: PostgresTransaction, write: FencedWrite): Promise<void> {
    const checked = checkedWrite(write);
    const text = this.#call('v1_mark_check', checked);
    const results = await this.#calls
      .inside('checking the fence', () => queryIn(tx, text))
      .catch((error: unknown) => Promise.reject(this.#explained(error)));
    refuseStale(this.sink, checked, this.#markIn(results));
  }

  async raise(write: FencedWrite): Promise<bigint> {
    const text = this.#call('v1_mark_raise', checkedWrite(write));
    return this.#installed(async () => this.#markIn(await this.#once('raising the mark', text)));
  }

  async mark(resource: string): Promise<bigint | undefined> {
    const text = `SELECT ${this.#function('v1_mark')}(${stored(checkedResource(resource))})::text AS r`;
    return this.#installed(async () => {
      const mark = answerOf(await this.#calls.before('reading the mark', () => this.#driver.once(text)));
      return mark === null ? undefined : BigInt(mark);
    });
  }

  async setup(): Promise<void> {
    // Whoever else creates the same schema at the same moment has it done.
    for (let tries = 1; ; tries++) {
      try {
        await this.#driver.once(`SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; ${installation(this.#schema)}`);
        return;
      } catch (error) {
        if (tries === 1 && ['23505', '42P06'].includes(sqlStateOf(error) ?? '')) continue;
        const fix = 'as a role that may create it, run what setupSql() of holdfast/guards/postgres answers';
        throw this.#calls.unavailable('creating the table of the marks', error, fix);
      }
    }
  }

  async #once(doing: string, text: string) {
    return this.#calls.writing(
      doing,
      () => this.#driver.once(text),
      (error) => isMissing(error) || /^(?:40|55|42|22|25)/.test(sqlStateOf(error) ?? ''),
    );
  }

  /** Creates what is missing, and begins again: nothing was done. */
  async #installed<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof BackendUnavailableError) || !isMissing(error.cause)) throw error;
      await this.setup();
      return attempt();
    }
  }

  #explained(error: unknown): unknown {
    if (sqlStateOf(error) === 'HF003') {
      const fix = 'send BEGIN first, or use run()';
      return new InvalidArgumentError(`check() was called outside of a transaction, and would protect nothing: ${fix}`, {
        cause: error,
      });
    }
    if (!isMissing(error) || error instanceof HoldfastError) return error;
    const message = `${this.sink}: ${messageOf(error)}: the table of the marks is not there: call setup() when the application starts`;
    return new BackendUnavailableError(message, { cause: error, permanent: true });
  }

  #function(name: string): string {
    return `${identifier(this.#schema)}.${name}`;
  }

  #call(name: string, { encoded, fence }: CheckedWrite): string {
    return `SELECT ${this.#function(name)}(${stored(encoded)}, ${fence}, ${this.#lockTimeoutMs})::text AS r`;
  }

  #markIn(results: Parameters<typeof answerOf>[0]): bigint {
    const mark = answerOf(results);
    if (mark === null)
      throw new BackendUnavailableError(`${this.sink} answered without a mark: report it with the versions of client and server`);
    return BigInt(mark);
  }
}

function stored(encoded: string): string {
  return literal(asciiName(encoded));
}

/** No such schema, table or function. */
function isMissing(error: unknown): boolean {
  return ['42P01', '3F000', '42883'].includes(sqlStateOf(error) ?? '');
}

function wholeMs(option: string, ms: number): number {
  if (Number.isInteger(ms) && ms >= 1 && ms <= limits.durationMsMax) return ms;
  throw new InvalidArgumentError(
    `${option} is ${String(ms)}: give a whole number of milliseconds from 1 to ${limits.durationMsMax}`,
  );
}
