import { decodeName, encodeName } from '../../core/name.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { NotSupportedError } from '../../core/errors.js';
import { readNodeIdentity } from '../../core/node.js';
import { aheadMsMax, type MachineClock, machineClock } from './clock.js';
import { type Database, statementsOn } from './database.js';
import type { Row } from './driver.js';
import { parseOptions, type SqliteOptions } from './location.js';
import { Session } from './session.js';

type Statements = Pick<Database, 'get' | 'run'>;

/** A connection of the application to the same file, inside its transaction: a `DatabaseSync` of `node:sqlite`, or whatever has better-sqlite3's API. */
export interface SqliteTransaction {
  prepare(sql: string): {
    run(...values: (string | number | null)[]): { readonly changes: number | bigint };
    get(...values: (string | number | null)[]): unknown;
    all(...values: (string | number | null)[]): unknown[];
  };
}

export interface SqliteRecords extends Records<SqliteTransaction> {
  /** The records inside a transaction of the application on this file: begin it with `BEGIN IMMEDIATE`, so that it can be sure to write. */
  in(tx: SqliteTransaction): Pick<Records, 'get' | 'compareAndSet'>;
  close(): Promise<void>;
}

const select =
  'SELECT key, value, CAST(version AS TEXT) AS version, expires, boot, written FROM records WHERE key = :key AND (expires IS NULL OR expires > :now)';

const page = `
  SELECT key, value, CAST(version AS TEXT) AS version, expires, boot, written FROM records
  WHERE key >= :start AND key < :start || char(1114111) AND (:after IS NULL OR key > :after) AND (expires IS NULL OR expires > :now) ORDER BY key LIMIT :max`;
const pageRecords = 200;

const upsert = `
  INSERT INTO records (key, value, version, expires, boot, written)
  VALUES (:key, :value, (SELECT value FROM meta WHERE key = 'record_version'), :expires, :boot, :written)
  ON CONFLICT (key) DO UPDATE SET
    value = excluded.value, version = excluded.version, expires = excluded.expires, boot = excluded.boot, written = excluded.written`;

/** One counter for all keys, so that a version is not used again when its record was swept; the clock, should the file be lost. */
const nextVersion = `
  INSERT INTO meta (key, value) VALUES ('record_version', CAST(:wall AS INTEGER))
  ON CONFLICT (key) DO UPDATE SET value = max(value + 1, excluded.value)`;

/**
 * Records with compare-and-set in an SQLite file, the same one as the locks' or another.
 * The store's time is the machine's wall clock; how old a record is, is told by the time since the machine booted, which nobody can step.
 *
 * @throws InvalidArgumentError
 */
export function sqliteRecords(options?: string | SqliteOptions): SqliteRecords {
  const session = new Session(parseOptions(options));
  return { ...recordsIn(session), close: () => session.close() };
}

/** The records in the file of a session, which stays the caller's. */
export function recordsIn(session: Session): Omit<SqliteRecords, 'close'> {
  const table = new Table();
  return {
    async get(key) {
      const read = (db: Database) => ({ found: table.find(db, key) });
      return (await session.run({ quick: read, full: read })).found;
    },
    create: (key, value, ttlMs) => session.run({ full: (db) => table.create(db, key, value, ttlMs) }),
    compareAndSet: (key, version, value, ttlMs) =>
      session.run({ full: (db) => table.compareAndSet(db, key, version, value, ttlMs) }),
    list: (prefix) => list(session, table, prefix),
    in(tx) {
      const statements = statementsOn(tx as Parameters<typeof statementsOn>[0]);
      return {
        get: async (key) => table.find(statements, key),
        compareAndSet: async (key, version, value, ttlMs) => table.compareAndSet(statements, key, version, value, ttlMs),
      };
    },
  };
}

/** Page by page: each is of one moment, and no other process waits for long. */
async function* list(session: Session, table: Table, prefix: string): AsyncGenerator<StoredRecord> {
  const start = encodeName(prefix.replace(/[\ud800-\udbff]$/, ''));
  for (let after: string | null = null; ; ) {
    const read = (db: Database) => {
      const now = Date.now();
      return db.all(page, { start, after, now, max: pageRecords }).map((row) => table.parse(row, now));
    };
    const found: readonly StoredRecord[] = await session.run({ quick: read, full: read });
    for (const record of found) if (record.key.startsWith(prefix)) yield record;
    const last = found.at(-1);
    if (last === undefined || found.length < pageRecords) return;
    after = encodeName(last.key);
  }
}

/** The rules, on any connection; each call inside a transaction. */
class Table {
  /** Null where this process is shown another uptime than the machine's: then nobody is told an age. */
  #clock: MachineClock | null | undefined;

  find(db: Statements, key: string): StoredRecord | undefined {
    const now = Date.now();
    const row = db.get(select, { key: encodeName(key), now });
    return row === undefined ? undefined : this.parse(row, now);
  }

  create(db: Statements, key: string, value: string, ttlMs: number | undefined): RecordWrite {
    const found = this.find(db, key);
    return found === undefined ? this.#write(db, key, value, ttlMs) : { written: false, record: found };
  }

  compareAndSet(db: Statements, key: string, version: string, value: string, ttlMs: number | undefined): RecordWrite {
    const found = this.find(db, key);
    return found?.version === version ? this.#write(db, key, value, ttlMs) : { written: false, record: found };
  }

  #write(db: Statements, key: string, value: string, ttlMs: number | undefined): RecordWrite {
    const now = Date.now();
    db.run(nextVersion, { wall: now * 1_000 });
    const clock = this.#readClock();
    db.run(upsert, {
      // A driver may end a text at its first NUL: two keys would then be one.
      key: encodeName(key),
      value: encodeName(value),
      expires: ttlMs === undefined ? null : now + ttlMs,
      boot: clock?.boot ?? null,
      written: clock?.nowMs() ?? null,
    });
    return { written: true, record: this.find(db, key) };
  }

  parse(row: Row, now: number): StoredRecord {
    return {
      key: decodeName(String(row['key'])),
      value: decodeName(String(row['value'])),
      version: String(row['version']),
      storeTimeMs: now,
      expiresAtMs: typeof row['expires'] === 'number' ? row['expires'] : undefined,
      ageMs: this.#ageMs(row),
    };
  }

  #ageMs({ boot, written }: Row): number | undefined {
    const clock = this.#readClock();
    if (clock === null || typeof boot !== 'string' || typeof written !== 'number') return undefined;
    const age = clock.nowMs() - written;
    // Whoever wrote it is dead, and with it all that ran.
    if (boot !== clock.boot || age < -aheadMsMax) return Number.POSITIVE_INFINITY;
    return Math.max(0, age);
  }

  #readClock(): MachineClock | null {
    if (this.#clock === undefined) {
      try {
        this.#clock = machineClock(readNodeIdentity());
      } catch (error) {
        if (!(error instanceof NotSupportedError)) throw error;
        this.#clock = null;
      }
    }
    return this.#clock;
  }
}
