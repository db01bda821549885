import { Buffer } from 'node:buffer';
import { InvalidArgumentError } from '../../core/errors.js';
import { encodeName } from '../../core/name.js';

/** Bytes as they are: no character set and no sql_mode can read something else into it. */
export function bytes(text: string): string {
  return `x'${Buffer.from(text, 'utf8').toString('hex')}'`;
}

export function identifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** `marks`, or `database.marks`. @throws InvalidArgumentError */
export function qualified(table: unknown): string {
  const parts = typeof table === 'string' ? table.split('.') : [];
  if (parts.length < 1 || parts.length > 2 || parts.some((part) => part === '' || part.length > 64)) {
    throw new InvalidArgumentError(`a table is a name, or database.name, without quotes, and not ${JSON.stringify(table)}`);
  }
  return parts.map(identifier).join('.');
}

export const tableDefault = 'holdfast_marks';

/**
 * The marks, one row for each resource, for ever. A resource is bytes: texts would be compared with the collation's ideas of what is equal. `checks`
 * changes with every check, also one with an equal fence: in a cluster with several writable servers the row is in every transaction, and two of them at the same time are a conflict.
 * `session` says who checked last.
 */
export const createTable = (table: string): string => `CREATE TABLE IF NOT EXISTS ${table} (
  resource VARBINARY(512) NOT NULL PRIMARY KEY,
  fence BIGINT NOT NULL,
  checks BIGINT NOT NULL,
  session BINARY(16) NULL
) ENGINE = InnoDB`;

/** What a guard runs on its first use, for a migration. May run again. @throws InvalidArgumentError */
export function setupSql({ table = tableDefault }: { readonly table?: string } = {}): string {
  return `${createTable(qualified(table))};\n`;
}

/**
 * Raises the mark if the fence is not below it. The row is locked until the transaction ends.
 *
 * @param session who may write from now on: the session that asks, or nobody
 */
export function raising(table: string, encoded: string, fence: bigint, session: '@holdfast_session' | 'NULL'): string {
  return `INSERT INTO ${table} (resource, fence, checks, session) VALUES (${bytes(encoded)}, ${fence}, 1, ${session})
ON DUPLICATE KEY UPDATE session = IF(fence <= ${fence}, ${session}, session), checks = checks + IF(fence <= ${fence}, 1, 0), fence = GREATEST(fence, ${fence})`;
}

/** A locking read: it sees what was committed last, whatever the snapshot. */
export function reading(table: string, encoded: string, lock: 'FOR UPDATE' | ''): string {
  return `SELECT CAST(fence AS CHAR) AS r FROM ${table} WHERE resource = ${bytes(encoded)} ${lock}`;
}

export interface Enforcement {
  /** The table to be guarded. */
  readonly table: string;
  /** What the resource of a row starts with; the whole of it where there is no column. */
  readonly resource: string;
  /** The column whose value comes after it: an integer, or a text. */
  readonly column?: string;
  /** The table of the marks, as given to `mysqlGuard()`. */
  readonly marks?: string;
}

/**
 * Statements that make a table refuse every write of a session that has not checked a fence for the row's resource as the last one to do so: also by
 * hand, and from programs that know nothing of Holdfast. To be run one after the other, by the owner of the table; again after a change of its columns.
 *
 * `{ table: 'accounts', resource: 'account:', column: 'id' }`: a row with the id 7 has the resource `account:7`. TRUNCATE fires no trigger: do not grant DROP.
 *
 * @throws InvalidArgumentError
 */
export function enforceSql({ table, resource, column, marks = tableDefault }: Enforcement): readonly string[] {
  const on = qualified(table);
  const last = table.split('.').at(-1) ?? '';
  const resourceOf = (row: string) =>
    column === undefined
      ? bytes(encodeName(resource))
      : `CONCAT(${bytes(encodeName(resource))}, ${encoded(`${row}.${identifier(column)}`)})`;
  const body = (rows: readonly string[]) => rows.map((row) => required(qualified(marks), resourceOf(row), last)).join('\n');
  const rowsOf = { INSERT: ['NEW'], UPDATE: ['OLD', 'NEW'], DELETE: ['OLD'] } as const;
  return Object.entries(rowsOf).flatMap(([event, rows]) => {
    const owner = table.includes('.') ? `${identifier(table.split('.')[0] ?? '')}.` : '';
    const name = `${owner}${identifier(`holdfast_${last.slice(0, 40)}_${event.toLowerCase()}`)}`;
    return [
      `DROP TRIGGER IF EXISTS ${name}`,
      `CREATE TRIGGER ${name} AFTER ${event} ON ${on} FOR EACH ROW BEGIN\nDECLARE checked INT;\n${body(rows)}\nEND`,
    ];
  });
}

/** Locked, so that an older snapshot cannot hide who came since. */
function required(marks: string, resource: string, table: string): string {
  const message = `${table.slice(0, 40).replaceAll("'", "''")} is guarded: this session has checked no fence for the row`;
  return `SELECT COUNT(*) INTO checked FROM ${marks} WHERE resource = ${resource} AND session = @holdfast_session FOR UPDATE;
IF checked = 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '${message}'; END IF;`;
}

/** As names are encoded in the library: `%`, and control characters. */
function encoded(value: string): string {
  const codes = [...Array.from({ length: 32 }, (_, i) => i), 127];
  const escaped = (code: number) => `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  const text = `CONVERT(COALESCE(${value}, '') USING utf8mb4)`;
  return codes.reduce(
    (inner, code) => `REPLACE(${inner}, CHAR(${code} USING utf8mb4), '${escaped(code)}')`,
    `REPLACE(${text}, '%', '%25')`,
  );
}
