import type { Stop } from './backend.js';

/**
 * The third port: an SQL database in which a feature keeps tables and functions of its own. Whoever implements it knows the client
 * library; the feature brings its functions and calls them.
 */
export interface Database {
  /** The schema of all that is made there. */
  readonly schema: string;
  /** @param definitions everything that the functions need, as statements that may run again; `schema` is quoted */
  functions(definitions: (schema: string) => string): DatabaseFunctions;
  /**
   * Messages are hints: they may be lost, and where a pooler stands between there are none. Listens until it is stopped. Undefined: it was told
   * not to listen, and nobody needs to send anything.
   */
  listen(channel: string, heard: () => void): Stop | undefined;
  /** Closes the client if it is ours. A user's client stays as it is. */
  close(): Promise<void>;
}

export interface DatabaseFunctions {
  /**
   * Calls a function `v1_<name>` and answers its text. Creates what is missing first, and tries again until the deadline: a
   * function must bear to be called twice.
   *
   * @throws ClosedError, BackendUnavailableError, OutcomeUnknownError, NotSupportedError
   */
  call(name: string, args: readonly SqlValue[], doing: string, timeoutMs: number): Promise<string | null>;
  /**
   * Calls one in a transaction of the application, once. Errors of the server are thrown as they are: they end the transaction, whose
   * business they are.
   *
   * @throws InvalidArgumentError if there is no transaction
   */
  callIn(tx: Transaction, name: string, args: readonly SqlValue[]): Promise<string | null>;
  /** Whether they are there; creates nothing. */
  installed(timeoutMs: number): Promise<boolean>;
  close(): void;
}

/** Texts are printable ASCII: see `ascii.ts`. */
export type SqlValue = string | number | bigint | boolean | null | readonly (string | number | bigint | null)[];

/** A transaction of the application: a client of `pg` on which it has sent `BEGIN`, or the `sql` that postgres.js hands to `sql.begin`. */
export type Transaction = { query(text: string): Promise<unknown> } | { unsafe(text: string): unknown };
