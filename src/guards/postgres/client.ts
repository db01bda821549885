import { InvalidArgumentError } from '../../core/errors.js';

/** What the work of `run` is given by a pool of `pg`: its client, as far as most need it. */
export interface PgClient {
  // biome-ignore lint/suspicious/noExplicitAny: rows are what the application knows them to be
  query(text: string, values?: unknown[]): Promise<{ rows: any[]; rowCount: number | null }>;
}

/** The part of a `Pool` of `pg` (8) that is called. */
export interface PgPool {
  connect(): Promise<object>;
}

/** The part of the `sql` of postgres.js (the package `postgres`, 3) that is called. */
export interface PostgresJs {
  // biome-ignore lint/suspicious/noExplicitAny: its own types are its business
  begin(options: string, work: (sql: any) => Promise<any>): Promise<any>;
  unsafe(text: string): unknown;
}

export type PostgresClient = PgPool | PostgresJs;

/** A transaction of the application: a client of `pg` on which it has sent `BEGIN`, or the `sql` that postgres.js hands to `sql.begin`. */
export type PostgresTransaction = { query(text: string): Promise<unknown> } | { unsafe(text: string): unknown };

export interface Result {
  readonly command?: string | undefined;
  readonly rows: readonly Record<string, unknown>[];
}

/** Runs a text in the application's transaction. @throws InvalidArgumentError */
export async function queryIn(tx: PostgresTransaction, text: string): Promise<readonly Result[]> {
  if ('unsafe' in tx && typeof tx.unsafe === 'function') return resultsOf(await tx.unsafe(text));
  if ('query' in tx && typeof tx.query === 'function') return resultsOf(await tx.query(text));
  throw new InvalidArgumentError(
    'check() needs the client of a transaction: one of pg, or the sql that postgres.js hands to sql.begin',
  );
}

/** The column `r` of the last row that has one. */
export function answerOf(results: readonly Result[]): string | null {
  const value = results.flatMap(({ rows }) => rows).findLast((row) => 'r' in row)?.['r'];
  return value === undefined || value === null ? null : String(value);
}

export function sqlStateOf(error: unknown): string | undefined {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** What both libraries answer: one result, or a list of them; of postgres.js each is a list of rows with a command. */
export function resultsOf(answer: unknown): readonly Result[] {
  const isRows = Array.isArray(answer) && 'command' in answer;
  const results = Array.isArray(answer) && !isRows ? answer : [answer];
  return results.map((result: { command?: string; rows?: Result['rows'] }) => ({
    command: result.command,
    rows: Array.isArray(result) ? result : (result.rows ?? []),
  }));
}
