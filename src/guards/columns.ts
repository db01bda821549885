import { InvalidArgumentError, type StaleFenceError } from '../core/errors.js';
import { checkedWrite, staleFence } from '../core/guard.js';

/** A write to one row of one's own table that has a column for the mark: no other table is needed. */
export interface FencedUpdate {
  /** `accounts`, or `bank.accounts`. */
  readonly table: string;
  /** The columns that make up the key, with their values. */
  readonly key: Readonly<Record<string, unknown>>;
  /** The columns to be written, with their new values. */
  readonly set: Readonly<Record<string, unknown>>;
  readonly fence: bigint;
  /** The column of the mark: a 64-bit integer. NULL means that no fence has been seen. Default: `fence`. */
  readonly column?: string;
}

/** How a database writes names and places for values. */
export interface Dialect {
  readonly sink: string;
  identifier(name: string): string;
  place(index: number): string;
  /** What compares keys that may not be NULL. */
  readonly lock: string;
}

interface Statement {
  readonly text: string;
  readonly values: unknown[];
}

export interface Statements {
  readonly update: Statement;
  /** Reads the mark of the row as it stands, as text in the column `r`. */
  readonly look: Statement;
  stale(mark: bigint): StaleFenceError;
}

/** @throws InvalidArgumentError */
export function statementsOf(
  { table, key, set, fence, column = 'fence' }: FencedUpdate,
  { sink, identifier, place, lock }: Dialect,
): Statements {
  checkedWrite({ resource: '', fence });
  const keys = Object.entries(key);
  const columns = Object.entries(set).filter(([name]) => name !== column);
  if (keys.length === 0) throw new InvalidArgumentError('key names no column: say which row is meant');
  if (keys.some(([, value]) => value === null || value === undefined)) {
    throw new InvalidArgumentError('a value of key is null or undefined, which is equal to nothing: say which row is meant');
  }
  const on = table.split('.').map(identifier).join('.');
  const mark = identifier(column);
  const where = (from: number) => keys.map(([name], i) => `${identifier(name)} = ${place(from + i)}`).join(' AND ');
  const sets = [...columns.map(([name], i) => `${identifier(name)} = ${place(i + 1)}`), `${mark} = ${fence}`].join(', ');
  const keyValues = keys.map(([, value]) => value);
  return {
    update: {
      text: `UPDATE ${on} SET ${sets} WHERE ${where(columns.length + 1)} AND (${mark} IS NULL OR ${mark} <= ${fence})`,
      values: [...columns.map(([, value]) => value), ...keyValues],
    },
    look: { text: `SELECT CAST(${mark} AS CHAR(20)) AS r FROM ${on} WHERE ${where(1)} ${lock}`, values: keyValues },
    stale: (newest) =>
      staleFence({
        sink,
        resource: `${table} ${keys.map(([k, v]) => `${k}=${String(v)}`).join(' ')}`,
        fence,
        mark: newest,
      }),
  };
}

/** How often a row may appear between the two statements. */
const triesMax = 5;

/**
 * @param update answers how many rows it met
 * @param look answers the mark: undefined if there is no such row
 * @throws StaleFenceError
 */
export async function updatedOrMissing(
  { stale }: Statements,
  fence: bigint,
  update: () => Promise<number>,
  look: () => Promise<string | null | undefined>,
): Promise<'updated' | 'missing'> {
  for (let tries = 1; ; tries++) {
    if ((await update()) > 0) return 'updated';
    const mark = await look();
    if (mark === undefined) return 'missing';
    if (mark !== null && BigInt(mark.trim()) > fence) throw stale(BigInt(mark.trim()));
    // It came to be after the first statement. (In a snapshot of its own it would not be seen by the second, either.)
    if (tries === triesMax) return 'missing';
  }
}
