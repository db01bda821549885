import { BackendCorruptError, NotSupportedError } from '../../core/errors.js';
import type { Connection } from './driver.js';

/** "HFLD": tells `file` and us whose database it is. */
const applicationId = 0x48464c44;
const schemaVersion = 2;

/**
 * Times are milliseconds since the boot named beside them; fences are microseconds or more, see `core/fence.ts`.
 *
 * - `locks`: one row per name, with its exclusive holder. `owner` is null while nobody holds it exclusively. `fence` is the
 *   last one minted. `others` counts the name's rows in `shares`, `places` and `watchers`: at 0, one statement takes or gives the lock.
 * - `shares`: holders in shared mode.
 * - `places`: the queue, in the order of `place`. `bell` names the file that wakes the waiter's process.
 * - `watchers`: who wants to be woken without having a place.
 * - `ended`: owners that must not come back: abandoned, revoked, stolen from.
 * - `meta`: `fence_floor`, above which new rows start: the highest fence of the rows that were swept.
 * - `records`: the records of `core/records.ts`; their times are of the wall clock, but for `written`, which says when this version was.
 */
const tables = `
CREATE TABLE locks (
  name       TEXT    NOT NULL PRIMARY KEY,
  fence      INTEGER NOT NULL,
  boot       TEXT    NOT NULL,
  written    INTEGER NOT NULL,
  free_since INTEGER NOT NULL,
  others     INTEGER NOT NULL,
  owner      TEXT,
  first      INTEGER,
  since      INTEGER,
  until      INTEGER,
  ttl        INTEGER,
  renewals   INTEGER,
  node       TEXT,
  metadata   TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE shares (
  name       TEXT    NOT NULL,
  owner      TEXT    NOT NULL,
  boot       TEXT    NOT NULL,
  written    INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  last       INTEGER NOT NULL,
  since      INTEGER NOT NULL,
  until      INTEGER NOT NULL,
  ttl        INTEGER NOT NULL,
  renewals   INTEGER NOT NULL,
  node       TEXT    NOT NULL,
  metadata   TEXT    NOT NULL,
  PRIMARY KEY (name, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE places (
  name       TEXT    NOT NULL,
  place      INTEGER NOT NULL,
  owner      TEXT    NOT NULL,
  mode       TEXT    NOT NULL,
  boot       TEXT    NOT NULL,
  seen       INTEGER NOT NULL,
  since      INTEGER NOT NULL,
  ttl        INTEGER NOT NULL,
  bell       TEXT    NOT NULL,
  node       TEXT    NOT NULL,
  metadata   TEXT    NOT NULL,
  PRIMARY KEY (name, place),
  UNIQUE (name, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE watchers (
  name       TEXT    NOT NULL,
  bell       TEXT    NOT NULL,
  boot       TEXT    NOT NULL,
  since      INTEGER NOT NULL,
  PRIMARY KEY (name, bell)
) STRICT, WITHOUT ROWID;

CREATE TABLE ended (
  owner      TEXT    NOT NULL PRIMARY KEY,
  boot       TEXT    NOT NULL,
  until      INTEGER NOT NULL,
  kind       TEXT,
  reason     TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_until ON ended (until);

CREATE TABLE meta (
  key        TEXT    NOT NULL PRIMARY KEY,
  value      ANY
) STRICT, WITHOUT ROWID;

CREATE TABLE records (
  key        TEXT    NOT NULL PRIMARY KEY,
  value      TEXT    NOT NULL,
  version    INTEGER NOT NULL,
  expires    INTEGER,
  boot       TEXT,
  written    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX records_expires ON records (expires) WHERE expires IS NOT NULL;

PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${schemaVersion};
`;

/**
 * From version 1: older records have no age. Processes that know only that version refuse to open the file from now on, and say so. One that has it open goes on, and writes no age:
 * the trigger then takes away the one that stands there, which is of an earlier write. (So it does to the second of two writes in one millisecond: its age is not known, either.)
 */
const toVersion2 = `
ALTER TABLE records ADD COLUMN boot TEXT;
ALTER TABLE records ADD COLUMN written INTEGER;
CREATE TRIGGER records_of_version_1 AFTER UPDATE ON records
WHEN NEW.version <> OLD.version AND NEW.boot IS OLD.boot AND NEW.written IS OLD.written AND NEW.written IS NOT NULL
BEGIN
  UPDATE records SET boot = NULL, written = NULL WHERE key = NEW.key;
END;
PRAGMA user_version = 2;
`;

/**
 * Makes the tables where there are none.
 *
 * @throws NotSupportedError for a database of a newer version, or of another program
 * @throws BackendCorruptError where tables are missing
 */
export function prepareSchema(db: Connection, path: string): void {
  if (versionOf(db) < schemaVersion) {
    if (versionOf(db) !== 0) check(db, path, 1);
    db.exec('BEGIN IMMEDIATE');
    try {
      // Another process may have been faster.
      if (versionOf(db) === 0) create(db, path);
      if (versionOf(db) === 1) db.exec(toVersion2);
      db.exec('COMMIT');
    } catch (error) {
      rollback(db);
      throw error;
    }
  }
  check(db, path);
}

function create(db: Connection, path: string): void {
  if (db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined) throw foreign(path);
  db.exec(tables);
}

function check(db: Connection, path: string, versionMin = schemaVersion): void {
  if (pragma(db, 'application_id') !== applicationId) throw foreign(path);
  const version = versionOf(db);
  if (version < versionMin || version > schemaVersion) {
    throw new NotSupportedError(
      `${path} was made by a newer version of holdfast (schema ${version}, this one knows ${schemaVersion}): upgrade holdfast here, or choose another path`,
    );
  }
  const found = db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table'").get();
  if (Number(found?.['n']) < 7) {
    throw new BackendCorruptError(`${path} lacks tables: stop whoever uses it, move it away, and a new one will be made`);
  }
}

function foreign(path: string): NotSupportedError {
  return new NotSupportedError(`${path} is the database of another program: choose another path; nothing was changed`);
}

function versionOf(db: Connection): number {
  return Number(pragma(db, 'user_version'));
}

/** What `locks.others` counts, as an expression over a name. */
export function countOthers(name: string): string {
  return ['shares', 'places', 'watchers']
    .map((table) => `(SELECT count(*) FROM ${table} WHERE ${table}.name = ${name})`)
    .join(' + ');
}

export function pragma(db: Pick<Connection, 'prepare'>, name: string): unknown {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return row === undefined ? undefined : Object.values(row)[0];
}

/** After a failure; SQLite may have rolled back by itself. */
export function rollback(db: Pick<Connection, 'exec'>): void {
  try {
    db.exec('ROLLBACK');
  } catch {
    // There was no transaction any more.
  }
}
