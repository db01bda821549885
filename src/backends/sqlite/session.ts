import { BackendUnavailableError, ClosedError } from '../../core/errors.js';
import { Database } from './database.js';
import { loadDriver } from './driver.js';
import { busyMessage, fault, isBusy } from './faults.js';
import type { Settings } from './location.js';
import { code, sqliteCode } from './result-codes.js';

/** What one call does to the database. Runs again from the start if the database was busy: it must have no other effect. */
export interface Work<T> {
  /** The common case in one statement; undefined where it does not apply, and nothing was changed. */
  readonly quick?: (db: Database) => T | undefined;
  /** `full` is done without the write lock first: it will probably change nothing, or its code is cold. */
  readonly look?: boolean;
  /** A lease hangs on it, or others wait for it: not to be put off behind a crowd of newcomers. */
  readonly urgent?: boolean;
  /** Inside a transaction that may write. */
  readonly full: (db: Database, after: AfterCommit) => T;
}

/** Runs `effect` once the transaction is committed. It must not throw. */
export type AfterCommit = (effect: () => void) => void;

interface Job {
  readonly work: Work<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly since: number;
}

/** Bounds how long one transaction keeps other processes, and our event loop, waiting. */
const batchMax = 128;
/** Longest pause between two tries of a busy database. */
const pauseMsMax = 1_000;
const urgentPauseMsMax = 25;
const urgentTriesAtOnce = 20;

/**
 * All use of one database file by one backend. What is asked for in the same tick is done in one transaction. A busy
 * database is tried again from a timer, so that the event loop never waits for another process.
 */
export class Session {
  readonly settings: Settings;
  readonly #queue: Job[] = [];
  #database: Database | undefined;
  #scheduled = false;
  /** How many of the next jobs are to be done one by one. */
  #alone = 0;
  #tries = 0;
  #usedInThisTurn = false;
  readonly #endOfTurn = Promise.resolve();
  readonly #forgetTurn = () => {
    this.#usedInThisTurn = false;
  };
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** @throws ClosedError, BackendUnavailableError, BackendCorruptError, NotSupportedError */
  run<T>(work: Work<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new ClosedError(`the backend on ${this.settings.path} is closed: make a new one`));
    return new Promise((resolve, reject) => {
      this.#queue.push({ work, resolve: resolve as (value: unknown) => void, reject, since: performance.now() });
      if (this.#scheduled) return;
      this.#scheduled = true;
      queueMicrotask(() => this.#drain());
    });
  }

  /**
   * The common case at once, without the way through the queue: only where nothing else was asked for in this turn of the
   * loop, because what is can share a transaction. Undefined where the case is not common, or something is in the way:
   * `run` finds out.
   */
  now<T>(quick: (db: Database) => T | undefined): T | undefined {
    if (this.#scheduled || this.#usedInThisTurn || this.#closed) return undefined;
    this.#usedInThisTurn = true;
    void this.#endOfTurn.then(this.#forgetTurn);
    try {
      return quick(this.#open());
    } catch {
      return undefined;
    }
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#scheduled) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#discard();
  }

  #drain(): void {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#alone > 0 ? 1 : batchMax);
      if (this.#attempt(batch)) continue;
      this.#queue.unshift(...batch.filter((job) => !this.#isOverdue(job)));
      if (this.#queue.length > 0) return this.#pause();
    }
    this.#scheduled = false;
    this.#onIdle?.();
  }

  /** Settles every job of the batch, or answers false because the database is busy. */
  #attempt(batch: readonly Job[]): boolean {
    try {
      const effects = this.#execute(this.#open(), batch);
      this.#tries = 0;
      for (const effect of effects) effect();
    } catch (error) {
      if (isBusy(error)) return false;
      // One bad record must not fail the calls that happened to be in the same tick.
      if (batch.length > 1 && sqliteCode(error) === undefined) {
        this.#alone = batch.length;
        this.#queue.unshift(...batch);
        return true;
      }
      this.#failed(batch, error);
    }
    this.#alone -= this.#alone > 0 ? 1 : 0;
    return true;
  }

  /** Answers what to do after the commit: settle, and whatever the works wanted. */
  #execute(db: Database, batch: readonly Job[]): (() => void)[] {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      const { work } = only;
      const value = quickly(db, work) ?? (work.look === true ? db.look(() => work.full(db, ignore)) : undefined);
      if (value !== undefined) return [() => only.resolve(value)];
    }
    const effects: (() => void)[] = [];
    db.begin();
    try {
      for (const { work, resolve } of batch) {
        const value = (batch.length > 1 ? quickly(db, work) : undefined) ?? work.full(db, (effect) => effects.push(effect));
        effects.push(() => resolve(value));
      }
      db.commit();
    } catch (error) {
      db.rollback();
      throw error;
    }
    return effects;
  }

  #open(): Database {
    if (this.#database?.isCurrent() === false) this.#discard();
    this.#database ??= Database.open(this.settings, loadDriver());
    return this.#database;
  }

  #discard(): void {
    const database = this.#database;
    this.#database = undefined;
    try {
      database?.close();
    } catch {
      // Nothing is lost with it: every transaction is over.
    }
  }

  #failed(batch: readonly Job[], error: unknown): void {
    // A connection that met an error of SQLite's is not trusted again.
    if (sqliteCode(error) !== undefined) this.#discard();
    const reason = fault(error, this.settings.path);
    for (const job of batch) job.reject(reason);
  }

  #isOverdue(job: Job): boolean {
    const { path, busyMs } = this.settings;
    if (performance.now() - job.since < busyMs) return false;
    job.reject(new BackendUnavailableError(`${busyMessage(path)}; tried for ${busyMs} ms`));
    return true;
  }

  /**
   * A commit of another process takes well under a millisecond, so the first try follows at once; what is urgent tries
   * some more, because a timer takes longer than the commit it waits for. Where that fails, many want to write, or the
   * writer lost its core: the more there are, the less each may take of what it needs to go on.
   */
  #pause(): void {
    this.#tries += 1;
    const urgent = this.#queue.some(({ work }) => work.urgent);
    if (this.#tries <= (urgent ? urgentTriesAtOnce : 1)) {
      setImmediate(() => this.#drain());
      return;
    }
    const maxMs = Math.min(urgent ? urgentPauseMsMax : pauseMsMax, 2 ** this.#tries);
    setTimeout(() => this.#drain(), 1 + Math.random() * maxMs);
  }
}

/** What is to be done after a commit follows from a change, and `look` makes none. */
function ignore(): void {}

function quickly<T>(db: Database, work: Work<T>): T | undefined {
  try {
    return work.quick?.(db);
  } catch (error) {
    // A value that the table refuses (a fence beyond 2^63): the thorough way finds the words for it.
    if (sqliteCode(error) === code.CONSTRAINT) return undefined;
    throw error;
  }
}
