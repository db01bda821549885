import { InvalidArgumentError } from '../../core/errors.js';

/** A connection of `mysql2/promise`, as far as it is called. */
export interface MysqlConnection {
  // biome-ignore lint/suspicious/noExplicitAny: what it answers depends on the statement
  query(sql: string, values?: any[]): Promise<[any, unknown]>;
}

export interface MysqlPoolConnection extends MysqlConnection {
  release(): void;
  destroy(): void;
}

/** A pool of `mysql2/promise`. */
export interface MysqlPool {
  getConnection(): Promise<MysqlPoolConnection>;
}

/** @throws InvalidArgumentError */
export function checkedPool(pool: MysqlPool): MysqlPool {
  const shape = Object(pool) as Partial<MysqlPool> & { promise?: unknown };
  if (typeof shape.getConnection === 'function' && typeof shape.promise !== 'function') return pool;
  throw new InvalidArgumentError('mysqlGuard() needs a pool of promises: createPool() of mysql2/promise, or pool.promise()');
}

/** What a server answered a statement other than SELECT. */
interface Header {
  readonly affectedRows: number;
  readonly info?: string;
  readonly serverStatus?: number;
}

const inTransaction = 1;
const autocommit = 2;

/** Whether the connection was in a transaction after a statement. @throws InvalidArgumentError */
export function isInTransaction(result: unknown): boolean {
  return (statusOf(result) & inTransaction) !== 0;
}

/** Whether the next statement would be in a transaction: that of another one before it, or one that it begins. @throws InvalidArgumentError */
export function beginsInTransaction(result: unknown): boolean {
  return (statusOf(result) & (inTransaction | autocommit)) !== autocommit;
}

function statusOf(result: unknown): number {
  const { serverStatus } = Object(result) as Partial<Header>;
  if (typeof serverStatus === 'number') return serverStatus;
  throw new InvalidArgumentError('this client does not tell whether it is in a transaction: use mysql2');
}

/** How many rows an UPDATE met, whether it changed them or not. */
export function matchedRows(result: unknown): number {
  const { affectedRows, info = '' } = result as Header;
  const matched = /Rows matched: (\d+)/.exec(info)?.[1];
  return matched === undefined ? affectedRows : Number(matched);
}

/** The number of an error of the server's. Errors of the connection have none. */
export function errnoOf(error: unknown): number | undefined {
  const { errno, sqlState } = Object(error) as { errno?: unknown; sqlState?: unknown };
  return typeof errno === 'number' && typeof sqlState === 'string' ? errno : undefined;
}

export const missingTable = 1146;
export const missingSavepoint = 1305;
/** Deadlock (also in a cluster that certifies at the commit): the server has rolled back. */
export const deadlock = 1213;
