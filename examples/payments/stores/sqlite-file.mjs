import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';

/** How long a transaction waits for those of the other processes. */
const busyMsMax = 3_000;

/** SQLite as this Node has it: built in, or the package that Holdfast uses too. */
function open(path) {
  const builtIn = process.getBuiltinModule?.('node:sqlite');
  const Database = builtIn?.DatabaseSync ?? createRequire(import.meta.url)('libsql');
  return new Database(path, { timeout: 0 });
}

/** An SQLite file of the application's own, with transactions that other processes cannot come between. */
export class SqliteFile {
  #db;
  #last = Promise.resolve();

  constructor(path) {
    this.#db = open(path);
    this.#db.exec('PRAGMA synchronous = NORMAL');
  }

  async run(sql) {
    await this.#retrying(() => this.#db.exec(sql));
  }

  async all(sql, ...values) {
    return this.#retrying(() => this.#db.prepare(sql).all(...values));
  }

  /** Everything that `work` writes with the connection, or nothing. One at a time. */
  transaction(work) {
    const turn = this.#last.then(() => this.#transact(work));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #transact(work) {
    await this.#retrying(() => this.#db.exec('BEGIN IMMEDIATE'));
    try {
      const result = await work(this.#db);
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Without blocking the process, whose leases want to be renewed meanwhile. */
  async #retrying(work) {
    for (const endMs = performance.now() + busyMsMax; ; await pause(5)) {
      try {
        return work();
      } catch (error) {
        if (!/\b(busy|locked)\b/i.test(error.message) || performance.now() > endMs) throw error;
      }
    }
  }

  async close() {
    await this.#last;
    this.#db.close();
  }
}
