import { closeSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Bound, Connection, Driver, Row, Statement } from './driver.js';
import { refuseNetworkFilesystem } from './filesystem.js';
import { makeFolders } from './folders.js';
import type { Settings } from './location.js';
import { code, sqliteCode } from './result-codes.js';
import { pragma, prepareSchema, rollback } from './schema.js';

/** How often the path is compared with the open file. */
const identityMs = 100;

/** One open database file with its prepared statements. Everything is synchronous and waits for nobody. */
export class Database {
  readonly #path: string;
  readonly #connection: Connection;
  readonly #statements = new Map<string, Prepared>();
  #looking = false;
  /** Whether what is being looked at wanted to write. */
  #wouldWrite = false;
  readonly #identity: string;
  #checkedAtMs = performance.now();

  private constructor(path: string, connection: Connection) {
    this.#path = path;
    this.#connection = connection;
    this.#identity = identityOf(path);
  }

  /** @throws the driver's, Node's or our own errors; `faults.ts` knows them. Busy ones may pass. */
  static open(settings: Settings, driver: Driver): Database {
    const { path } = settings;
    const directory = dirname(path);
    makeFolders(directory);
    refuseNetworkFilesystem(path, directory);
    createPrivately(path);
    const connection = driver.open(path);
    try {
      connection.exec('PRAGMA busy_timeout = 0');
      if (pragma(connection, 'journal_mode') !== 'wal') pragma(connection, 'journal_mode = WAL');
      connection.exec(`PRAGMA synchronous = ${settings.synchronous}`);
      prepareSchema(connection, path);
    } catch (error) {
      connection.close();
      throw error;
    }
    return new Database(path, connection);
  }

  run(sql: string, bound: Bound): number {
    const prepared = this.#prepared(sql);
    if (this.#looking) {
      this.#wouldWrite = true;
      return 1;
    }
    return Number(this.#try(sql, () => prepared.statement.run(...prepared.values(bound))).changes);
  }

  get(sql: string, bound: Bound = {}): Row | undefined {
    const prepared = this.#prepared(sql);
    return this.#try(sql, () => prepared.statement.get(...prepared.values(bound)));
  }

  all(sql: string, bound: Bound = {}): Row[] {
    const prepared = this.#prepared(sql);
    return this.#try(sql, () => prepared.statement.all(...prepared.values(bound)));
  }

  /**
   * Does something that may change nothing, as one snapshot and without the write lock, for which others would wait.
   * Undefined: it wanted to write; nothing has happened, but every statement is prepared and every function compiled.
   */
  look<T>(work: () => T): T | undefined {
    this.#control('BEGIN');
    this.#looking = true;
    this.#wouldWrite = false;
    try {
      const value = work();
      return this.#wouldWrite ? undefined : value;
    } catch (error) {
      // What follows a write that did not happen says nothing.
      if (this.#wouldWrite) return undefined;
      throw error;
    } finally {
      this.#looking = false;
      rollback(this.#connection);
    }
  }

  /** Begins a transaction that may write, or says at once that somebody else is writing. */
  begin(): void {
    this.#control('BEGIN IMMEDIATE');
  }

  commit(): void {
    this.#control('COMMIT');
  }

  rollback(): void {
    rollback(this.#connection);
  }

  /** Prepared like any other statement: read anew each time, these cost more than what they do. */
  #control(sql: string): void {
    this.#try(sql, () => this.#prepared(sql).statement.run());
  }

  /** Whether the path still leads to this file. Somebody may have deleted or replaced it, and locks in it bind nobody. */
  isCurrent(): boolean {
    const now = performance.now();
    if (now - this.#checkedAtMs < identityMs) return true;
    this.#checkedAtMs = now;
    return identityOf(this.#path) === this.#identity;
  }

  close(): void {
    // libsql keeps the file open as long as one of them is reachable.
    this.#statements.clear();
    this.#connection.close();
  }

  #prepared(sql: string): Prepared {
    let prepared = this.#statements.get(sql);
    if (prepared === undefined) {
      prepared = prepare(this.#connection, sql);
      this.#statements.set(sql, prepared);
    }
    return prepared;
  }

  #try<T>(sql: string, use: () => T): T {
    try {
      return use();
    } catch (error) {
      // libsql never resets a statement that failed: it would repeat the old error for ever.
      if (sqliteCode(error) !== code.BUSY) this.#statements.delete(sql);
      throw error;
    }
  }
}

/** Statements on a connection of the application, inside its transaction. */
export function statementsOn(connection: Pick<Connection, 'prepare'>): Pick<Database, 'get' | 'run'> {
  const use = (sql: string, bound: Bound) => {
    const { statement, values } = prepare(connection, sql);
    return { statement, values: values(bound) };
  };
  return {
    get(sql, bound = {}) {
      const { statement, values } = use(sql, bound);
      return statement.get(...values);
    },
    run(sql, bound) {
      const { statement, values } = use(sql, bound);
      return Number(statement.run(...values).changes);
    },
  };
}

interface Prepared {
  readonly statement: Statement;
  /** The values in the order of their positions. */
  values(bound: Bound): (string | number | null)[];
}

/** Each `:name` of the text becomes a position, the same one wherever it stands. */
function prepare(connection: Pick<Connection, 'prepare'>, sql: string): Prepared {
  const names: string[] = [];
  const text = sql.replace(/:([a-z_]+)/g, (_, name: string) => {
    if (!names.includes(name)) names.push(name);
    return `?${names.indexOf(name) + 1}`;
  });
  return { statement: connection.prepare(text), values: (bound) => names.map((name) => bound[name] ?? null) };
}

/**
 * For the owner only: it holds the secrets that prove holds. An existing file is not touched, because closing any
 * descriptor of it would drop the locks that SQLite has in this process (https://sqlite.org/howtocorrupt.html, 2.2).
 */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    throw error;
  }
}

function identityOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 'none' : `${stat.dev}:${stat.ino}`;
}
