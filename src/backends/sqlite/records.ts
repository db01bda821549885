import { decodeName, encodeName } from '../../core/name.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import type { Database } from './database.js';
import type { Row } from './driver.js';
import { parseOptions, type SqliteOptions } from './location.js';
import { Session } from './session.js';

export interface SqliteRecords extends Records {
  close(): Promise<void>;
}

const select =
  'SELECT key, value, CAST(version AS TEXT) AS version, expires FROM records WHERE key = :key AND (expires IS NULL OR expires > :now)';

const upsert = `
  INSERT INTO records (key, value, version, expires) VALUES (:key, :value, (SELECT value FROM meta WHERE key = 'record_version'), :expires)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, expires = excluded.expires`;

/** One counter for all keys, so that a version is not used again when its record was swept; the clock, should the file be lost. */
const nextVersion = `
  INSERT INTO meta (key, value) VALUES ('record_version', CAST(:wall AS INTEGER))
  ON CONFLICT (key) DO UPDATE SET value = max(value + 1, excluded.value)`;

/**
 * Records with compare-and-set in an SQLite file, the same one as the locks' or another.
 * The store's time is the machine's wall clock.
 *
 * @throws InvalidArgumentError
 */
export function sqliteRecords(options?: string | SqliteOptions): SqliteRecords {
  const session = new Session(parseOptions(options));
  return {
    async get(key) {
      const read = (db: Database) => ({ found: find(db, key) });
      return (await session.run({ quick: read, full: read })).found;
    },
    create: (key, value, ttlMs) =>
      session.run({
        full(db) {
          const found = find(db, key);
          return found === undefined ? write(db, key, value, ttlMs) : { written: false, record: found };
        },
      }),
    compareAndSet: (key, version, value, ttlMs) =>
      session.run({
        full(db) {
          const found = find(db, key);
          return found?.version === version ? write(db, key, value, ttlMs) : { written: false, record: found };
        },
      }),
    close: () => session.close(),
  };
}

function find(db: Database, key: string): StoredRecord | undefined {
  const now = Date.now();
  const row = db.get(select, { key: encodeName(key), now });
  return row === undefined ? undefined : parse(row, now);
}

function write(db: Database, key: string, value: string, ttlMs: number | undefined): RecordWrite {
  const now = Date.now();
  db.run(nextVersion, { wall: now * 1_000 });
  // A driver may end a text at its first NUL: two keys would then be one.
  db.run(upsert, { key: encodeName(key), value: encodeName(value), expires: ttlMs === undefined ? null : now + ttlMs });
  return { written: true, record: find(db, key) };
}

function parse(row: Row, now: number): StoredRecord {
  return {
    key: decodeName(String(row['key'])),
    value: decodeName(String(row['value'])),
    version: String(row['version']),
    storeTimeMs: now,
    expiresAtMs: typeof row['expires'] === 'number' ? row['expires'] : undefined,
  };
}
