import { BackendUnavailableError, InvalidArgumentError } from '../../core/errors.js';
import type { SinkCalls } from '../calls.js';
import { type PgPool, type PostgresClient, type PostgresJs, type Result, resultsOf, sqlStateOf } from './client.js';

/** A transaction of the guard's own. */
export interface Turn<T> {
  readonly isolation: string;
  /** The first statements of it. */
  readonly first: string;
  /** Their results. What it throws ends the transaction. */
  readonly checked: (results: readonly Result[]) => void;
  /** Is handed what the library has for a transaction. */
  readonly work: (context: unknown) => T | Promise<T>;
}

/** A client library, as the guard needs it. */
export interface Driver {
  /** One text, outside of any transaction. Rejects with what the library says. */
  once(text: string): Promise<readonly Result[]>;
  /** All or nothing. What the work throws is thrown as it is. @throws BackendUnavailableError, OutcomeUnknownError */
  transaction<T>(turn: Turn<T>): Promise<T>;
}

/** @throws InvalidArgumentError */
export function driverOf(client: PostgresClient, calls: SinkCalls): Driver {
  const shape = Object(client) as Partial<PgPool & PostgresJs>;
  if (typeof shape.unsafe === 'function' && typeof shape.begin === 'function')
    return new PostgresJsDriver(client as PostgresJs, calls);
  if (typeof shape.connect === 'function') return new PgDriver(client as PgPool, calls);
  throw new InvalidArgumentError('postgresGuard() needs a Pool of pg, or the sql of postgres.js');
}

/**
 * Commits. What the server says of what was written (a constraint that is checked at the end) is the work's business and is thrown as it is.
 *
 * @param commit sends it
 */
async function committing<T>(calls: SinkCalls, commit: () => Promise<T>): Promise<T> {
  const outcome = await calls.writing(
    'committing',
    () =>
      commit().then(
        (value) => ({ value }),
        (error: unknown) => {
          if (isOfWork(error)) return { error };
          throw error;
        },
      ),
    // Serialization failures and deadlocks: the server has rolled back.
    (error) => sqlStateOf(error)?.startsWith('40') === true && sqlStateOf(error) !== '40003',
  );
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

function isOfWork(error: unknown): boolean {
  return /^(?:2[0-9]|3|42|44|54|HF|P0)/.test(sqlStateOf(error) ?? '08');
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

interface PgPoolClient {
  query(text: string): Promise<unknown>;
  release(destroy?: boolean): void;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
}

/** Whoever waits for a statement is told by it; without a listener the loss of an idle connection ends the process. */
const ignored = () => {};

class PgDriver implements Driver {
  readonly #pool: PgPool;
  readonly #calls: SinkCalls;

  constructor(pool: PgPool, calls: SinkCalls) {
    this.#pool = pool;
    this.#calls = calls;
  }

  async once(text: string): Promise<readonly Result[]> {
    const client = await this.#connect();
    let free = false;
    try {
      const results = resultsOf(
        await this.#calls.writing(
          'asking',
          () => client.query(text),
          () => false,
        ),
      );
      free = true;
      return results;
    } catch (error) {
      // After an error of the server's the connection is as good as before.
      free = sqlStateOf((error as Error).cause) !== undefined;
      throw (error as Error).cause ?? error;
    } finally {
      this.#release(client, !free);
    }
  }

  async transaction<T>({ isolation, first, checked, work }: Turn<T>): Promise<T> {
    const client = await this.#connect();
    let destroy = true;
    try {
      const begin = `BEGIN ISOLATION LEVEL ${isolation}, READ WRITE; ${first}`;
      checked(resultsOf(await this.#calls.before('checking the fence', () => client.query(begin))));
      const value = await work(client);
      const [result] = resultsOf(await committing(this.#calls, () => client.query('COMMIT')));
      destroy = false;
      if (result?.command !== 'COMMIT') throw rolledBack();
      return value;
    } catch (error) {
      // A connection whose rollback is not answered for is closed, and the server rolls back.
      destroy &&= !(await this.#rollback(client));
      throw error;
    } finally {
      this.#release(client, destroy);
    }
  }

  async #rollback(client: PgPoolClient): Promise<boolean> {
    try {
      await this.#calls.before('rolling back', () => client.query('ROLLBACK'));
      return true;
    } catch {
      return false;
    }
  }

  async #connect(): Promise<PgPoolClient> {
    let over = false;
    const connecting = () =>
      (this.#pool.connect() as Promise<PgPoolClient>).then((client) => {
        if (over) client.release();
        else client.on('error', ignored);
        return client;
      });
    try {
      return await this.#calls.before('connecting', connecting);
    } catch (error) {
      over = true;
      throw error;
    }
  }

  #release(client: PgPoolClient, destroy: boolean): void {
    if (!destroy) client.removeListener('error', ignored);
    client.release(destroy);
  }
}

class PostgresJsDriver implements Driver {
  readonly #sql: PostgresJs;
  readonly #calls: SinkCalls;

  constructor(sql: PostgresJs, calls: SinkCalls) {
    this.#sql = sql;
    this.#calls = calls;
  }

  async once(text: string): Promise<readonly Result[]> {
    try {
      return resultsOf(
        await this.#calls.writing(
          'asking',
          async () => this.#sql.unsafe(text),
          () => false,
        ),
      );
    } catch (error) {
      throw (error as Error).cause ?? error;
    }
  }

  /** The library begins and ends it by itself; a statement that failed in it ends it, also where the work has caught the error. */
  async transaction<T>({ isolation, first, checked, work }: Turn<T>): Promise<T> {
    const started = deferred<void>();
    const worked = deferred<Outcome<T>>();
    let over = false;
    const begun = this.#sql.begin(`isolation level ${isolation.toLowerCase()} read write`, async (tx: unknown) => {
      started.resolve();
      if (over) throw new BackendUnavailableError('nobody waits for this transaction any more');
      const sql = tx as { unsafe(text: string): Promise<unknown> };
      try {
        checked(resultsOf(await this.#calls.before('checking the fence', () => sql.unsafe(first))));
        worked.resolve({ value: await work(tx) });
      } catch (error) {
        worked.resolve({ error });
        throw error;
      }
    });
    begun.catch(() => {});
    try {
      await this.#calls.before('connecting', () => Promise.race([started.promise, begun]));
    } finally {
      over = true;
    }
    const outcome = await (Promise.race([worked.promise, begun]) as Promise<Outcome<T>>);
    if ('error' in outcome) throw await this.#rolledBack(begun, outcome.error);
    await committing(this.#calls, () => begun);
    return outcome.value;
  }

  /** Waits for the library's rollback, but not for ever. Answers why: the library may know better. */
  async #rolledBack(begun: Promise<unknown>, error: unknown): Promise<unknown> {
    const why = begun.then(
      () => error,
      (reason: unknown) => reason,
    );
    return this.#calls.before('rolling back', () => why).catch(() => error);
  }
}

function rolledBack(): BackendUnavailableError {
  return new BackendUnavailableError(
    'PostgreSQL rolled back instead of committing, and nothing was written: a statement of the work had failed, and the work went on; let its errors pass',
    { permanent: true },
  );
}

function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
