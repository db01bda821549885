import { randomBytes } from 'node:crypto';
import { messageOf } from '../../core/calls.js';
import { refuseUnknown } from '../../core/checks.js';
import { BackendUnavailableError, InvalidArgumentError, OutcomeUnknownError } from '../../core/errors.js';
import { type CheckedWrite, checkedResource, checkedWrite, type FencedWrite, type Guard, refuseStale } from '../../core/guard.js';
import { SinkCalls } from '../calls.js';
import { Broken } from './broken.js';
import {
  beginsInTransaction,
  checkedPool,
  deadlock,
  errnoOf,
  isInTransaction,
  type MysqlConnection,
  type MysqlPool,
  type MysqlPoolConnection,
  missingSavepoint,
  missingTable,
} from './client.js';
import { createTable, qualified, raising, reading, tableDefault } from './sql.js';

export type { FencedWrite, Guard } from '../../core/guard.js';
export type { MysqlConnection, MysqlPool, MysqlPoolConnection } from './client.js';
export { type FencedUpdate, updateFenced } from './column.js';
export { type Enforcement, enforceSql, setupSql } from './sql.js';

const isolations = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const;

export interface MysqlGuardOptions {
  /** The table of the marks: `holdfast_marks` by default, or `database.table`. Made on first use, if the user may; else run what `setupSql()` answers. */
  readonly table?: string;
  /** Names the sink in errors. Default: `mysql`. */
  readonly sink?: string;
  /** Of the transactions that `run` opens. Default: that of the session. */
  readonly isolation?: (typeof isolations)[number];
  /**
   * How long one call of the guard's own may take: connecting, checking, which waits for another transaction that has checked the same resource,
   * committing. What the work does has no deadline here. Default: 5,000.
   */
  readonly commandTimeoutMs?: number;
  /**
   * After how long without a statement the server ends a session in the middle of `run`, rounded up to seconds: while its transaction is open nobody else can write
   * to the resource, under whatever fence, and a process that was stopped would keep it open for hours. Default: 10,000.
   */
  readonly idleTimeoutMs?: number;
}

export interface MysqlGuard<Tx> extends Guard<Tx> {
  /**
   * Checks the fence in a transaction of the caller's own, as the first thing in it. What the transaction writes afterwards is protected, until it
   * ends. Roll back when it throws. Errors of the server are thrown as they are; a deadlock (1213) or a lock that was not obtained in time (1205) says
   * nothing about the fence: roll back, and try the transaction again.
   *
   * @throws StaleFenceError
   * @throws InvalidArgumentError if there is no transaction. The mark was raised all the same
   * @throws BackendUnavailableError if no answer came in time: close the connection
   */
  check(tx: MysqlConnection, write: FencedWrite): Promise<void>;
  /** Makes the table of the marks, where it is missing. `run`, `raise` and `mark` do it by themselves; `check` cannot: it would end the transaction. */
  setup(): Promise<void>;
}

/**
 * Guards what is written to InnoDB tables of MySQL (8.0 or later) or MariaDB (10.6 or later), through `mysql2`: a row for each resource keeps the mark, and is
 * updated first in the transaction that writes. The pool stays the application's.
 *
 * @typeParam Tx what the work is given: a connection of the pool
 * @throws InvalidArgumentError
 */
export function mysqlGuard<Tx extends MysqlConnection = MysqlConnection>(
  pool: MysqlPool,
  options: MysqlGuardOptions = {},
): MysqlGuard<Tx> {
  return new MarksInMysql<Tx>(checkedPool(pool), options);
}

/** There as long as the transaction of `run` is. */
const savepoint = 'holdfast_checked';

class MarksInMysql<Tx extends MysqlConnection> implements MysqlGuard<Tx> {
  readonly sink: string;
  readonly #pool: MysqlPool;
  readonly #table: string;
  readonly #isolation: string | undefined;
  readonly #idleS: number;
  readonly #calls: SinkCalls;

  constructor(pool: MysqlPool, options: MysqlGuardOptions) {
    refuseUnknown(options, ['table', 'sink', 'isolation', 'commandTimeoutMs', 'idleTimeoutMs']);
    const { table = tableDefault, sink = 'mysql', isolation, commandTimeoutMs, idleTimeoutMs = 10_000 } = options;
    if (isolation !== undefined && !isolations.includes(isolation)) {
      throw new InvalidArgumentError(`isolation is one of ${isolations.join(', ')}`);
    }
    if (!Number.isFinite(idleTimeoutMs) || idleTimeoutMs <= 0 || idleTimeoutMs > 86_400_000) {
      throw new InvalidArgumentError(`idleTimeoutMs is ${String(idleTimeoutMs)}: give milliseconds above 0 and up to a day`);
    }
    this.#pool = pool;
    this.sink = sink;
    this.#table = qualified(table);
    this.#isolation = isolation;
    this.#idleS = Math.ceil(idleTimeoutMs / 1_000);
    this.#calls = new SinkCalls(sink, commandTimeoutMs);
  }

  async run<T>(write: FencedWrite, work: (tx: Tx) => T | Promise<T>): Promise<T> {
    const checked = checkedWrite(write);
    return this.#installed(() => this.#onConnection((connection) => this.#run(connection, checked, work)));
  }

  async check(tx: MysqlConnection, write: FencedWrite): Promise<void> {
    const checked = checkedWrite(write);
    const session = `SET @holdfast_session = COALESCE(@holdfast_session, x'${randomBytes(16).toString('hex')}')`;
    const outside = () => {
      throw new InvalidArgumentError(
        'check() was called outside of a transaction, and would protect nothing: send START TRANSACTION first, or use run()',
      );
    };
    try {
      const mark = await this.#calls.inside('checking the fence', async () => {
        await tx.query(session);
        return this.#mark(tx, checked, outside);
      });
      refuseStale(this.sink, checked, mark);
    } catch (error) {
      if (errnoOf(error) !== missingTable) throw error;
      const message = `${this.sink}: ${messageOf(error)}: the table of the marks is not there: call setup() when the application starts`;
      throw new BackendUnavailableError(message, { cause: error, permanent: true });
    }
  }

  async raise(write: FencedWrite): Promise<bigint> {
    const checked = checkedWrite(write);
    const raise = (connection: MysqlPoolConnection) =>
      this.#calls.writing(
        'raising the mark',
        async () => {
          const [header] = await connection.query(raising(this.#table, checked.encoded, checked.fence, 'NULL'));
          // Where the application's sessions do not commit by themselves. The mark is read after that, and is never lower.
          if (isInTransaction(header)) await connection.query('COMMIT');
          return this.#readAlone(connection, checked.encoded);
        },
        (error) => errnoOf(error) !== undefined,
      );
    return this.#installed(async () => (await this.#onConnection(raise)) ?? checked.fence);
  }

  async mark(resource: string): Promise<bigint | undefined> {
    const encoded = checkedResource(resource);
    return this.#installed(() =>
      this.#onConnection((connection) => this.#calls.before('reading the mark', () => this.#readAlone(connection, encoded))),
    );
  }

  async setup(): Promise<void> {
    try {
      await this.#onConnection((connection) =>
        this.#calls.before('making the table of the marks', () => connection.query(createTable(this.#table))),
      );
    } catch (error) {
      if (!(error instanceof BackendUnavailableError) || errnoOf(error.cause) === undefined) throw error;
      const fix = 'as a user that may create it, run what setupSql() of holdfast/guards/mysql answers';
      throw this.#calls.unavailable('making the table of the marks', error.cause, fix);
    }
  }

  async #run<T>(connection: MysqlPoolConnection, checked: CheckedWrite, work: (tx: Tx) => T | Promise<T>): Promise<T> {
    const session = randomBytes(16).toString('hex');
    const query = (text: string) => connection.query(text);
    try {
      await this.#calls.before('beginning', () => this.#begin(connection, session));
      const lost = () => {
        throw this.#calls.unavailable(
          'checking the fence',
          new Error('there is no transaction'),
          'give the guard a pool of its own',
        );
      };
      const mark = await this.#calls.before('checking the fence', () => this.#mark(connection, checked, lost));
      refuseStale(this.sink, checked, mark);
      await this.#calls.before('checking the fence', () => query(`SAVEPOINT ${savepoint}`));
      const value = await work(connection as unknown as Tx);
      await this.#commit(connection);
      return value;
    } catch (error) {
      await this.#calls.before('rolling back', () => query('ROLLBACK')).catch((cause: unknown) => this.#broken(cause, error));
      throw error;
    } finally {
      // Not waited for: what the connection is asked next comes after it.
      query('SET SESSION wait_timeout = @holdfast_wait, @holdfast_session = NULL').catch(() => {});
    }
  }

  async #begin(connection: MysqlPoolConnection, session: string): Promise<void> {
    await connection.query(
      `SET @holdfast_wait = @@SESSION.wait_timeout, SESSION wait_timeout = ${this.#idleS}, @holdfast_session = x'${session}'`,
    );
    if (this.#isolation !== undefined) {
      // As START TRANSACTION does with one that somebody has left open; but the level cannot be set in it.
      await connection.query('COMMIT');
      await connection.query(`SET TRANSACTION ISOLATION LEVEL ${this.#isolation}`);
    }
    await connection.query('START TRANSACTION');
  }

  async #commit(connection: MysqlPoolConnection): Promise<void> {
    // Statements that end a transaction in silence, and a deadlock whose error was caught: what came after them was on its own, or in another transaction.
    try {
      await this.#calls.before('committing', () => connection.query(`RELEASE SAVEPOINT ${savepoint}`));
    } catch (error) {
      if (errnoOf((error as Error).cause) !== missingSavepoint) throw error;
      throw new OutcomeUnknownError(
        `${this.sink}: the work ended its transaction (a COMMIT, CREATE or ALTER of its own, or a deadlock whose error it has caught), and wrote the rest without protection: look at what it wrote, and mend the work`,
        { cause: error },
      );
    }
    await this.#calls.writing(
      'committing',
      () => connection.query('COMMIT'),
      (error) => errnoOf(error) === deadlock,
    );
  }

  /** Locks the row, and answers the mark. */
  async #mark(tx: MysqlConnection, { encoded, fence }: CheckedWrite, outside: () => never): Promise<bigint> {
    const [header] = await tx.query(raising(this.#table, encoded, fence, '@holdfast_session'));
    if (!isInTransaction(header)) outside();
    const mark = await this.#read(tx, encoded, 'FOR UPDATE');
    if (mark === undefined)
      throw new BackendUnavailableError(`${this.sink} has no mark where one was just written: is the table InnoDB?`);
    return mark;
  }

  async #read(connection: MysqlConnection, encoded: string, lock: 'FOR UPDATE' | '' = ''): Promise<bigint | undefined> {
    const [rows] = await connection.query(reading(this.#table, encoded, lock));
    const text = (rows as readonly { readonly r: unknown }[])[0]?.r;
    return text === undefined ? undefined : BigInt(String(text));
  }

  /** Out of no older snapshot, and without leaving a transaction behind, which may hold a lock: also where sessions do not commit by themselves. */
  async #readAlone(connection: MysqlConnection, encoded: string): Promise<bigint | undefined> {
    const [status] = await connection.query('DO 0');
    if (!beginsInTransaction(status)) return this.#read(connection, encoded);
    await connection.query('COMMIT');
    try {
      return await this.#read(connection, encoded);
    } finally {
      await connection.query('COMMIT');
    }
  }

  async #onConnection<T>(use: (connection: MysqlPoolConnection) => Promise<T>): Promise<T> {
    const connection = await this.#connect();
    try {
      const value = await use(connection);
      connection.release();
      return value;
    } catch (error) {
      // Where the server has answered it is as good as before; else nobody knows what is still under way on it.
      const mustGo =
        error instanceof Broken ||
        error instanceof OutcomeUnknownError ||
        (error instanceof BackendUnavailableError && errnoOf(error.cause) === undefined);
      if (mustGo) connection.destroy();
      else connection.release();
      throw error instanceof Broken ? error.because : error;
    }
  }

  async #connect(): Promise<MysqlPoolConnection> {
    let over = false;
    const connecting = () =>
      this.#pool.getConnection().then((connection) => {
        if (over) connection.release();
        return connection;
      });
    try {
      return await this.#calls.before('connecting', connecting);
    } catch (error) {
      over = true;
      throw error;
    }
  }

  /** Makes the table, and begins again: nothing was done. */
  async #installed<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof BackendUnavailableError) || errnoOf(error.cause) !== missingTable) throw error;
      await this.setup();
      return attempt();
    }
  }

  #broken(cause: unknown, because: unknown): never {
    throw new Broken(because, cause);
  }
}
