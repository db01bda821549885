import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Bound, type Connection, type Driver, type Row, type Statement, sqliteCode } from './driver.js';
import { code } from './faults.js';
import { refuseNetworkFilesystem } from './filesystem.js';
import type { Settings } from './location.js';
import { pragma, prepareSchema } from './schema.js';

/** How often the path is compared with the open file. */
const identityMs = 100;

/** One open database file with its prepared statements. Everything is synchronous and waits for nobody. */
export class Database {
  readonly #path: string;
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement>();
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
    mkdirSync(directory, { recursive: true, mode: 0o700 });
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
    return Number(this.#try(sql, (statement) => statement.run(bound)).changes);
  }

  get(sql: string, bound: Bound = {}): Row | undefined {
    return this.#try(sql, (statement) => statement.get(bound));
  }

  all(sql: string, bound: Bound = {}): Row[] {
    return this.#try(sql, (statement) => statement.all(bound));
  }

  exec(sql: string): void {
    this.#connection.exec(sql);
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

  #try<T>(sql: string, use: (statement: Statement) => T): T {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    try {
      return use(statement);
    } catch (error) {
      // libsql never resets a statement that failed: it would repeat the old error for ever.
      if (sqliteCode(error) !== code.BUSY) this.#statements.delete(sql);
      throw error;
    }
  }
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
