import type { Stop } from '../../core/backend.js';

/** One statement under way. */
export interface Running {
  /** The column `r` of the first row of the last result, as text; null where there is none. Rejects with what the library says. May never settle: the caller has a deadline. */
  readonly answer: Promise<string | null>;
  /** Nobody waits for it any more. True if it was not handed to the server yet, and now never will be. */
  giveUp(): boolean;
}

/** A client library, as the rest of the backend needs it. It retries nothing. */
export interface Driver {
  /** For messages: `pg`, `postgres`. */
  readonly library: string;
  /** Runs a text of one or more statements in the simple protocol, outside of any transaction of the application. */
  run(text: string): Running;
  /** Listens on a connection of its own until it is stopped, and again after every loss of it. */
  listen(channel: string, listener: Listener): Stop;
  /** The server process that a connection was told of when it was made, and the one that answers on it: through a pooler they differ. */
  backends(): Promise<{ readonly told: number | undefined; readonly answering: number }>;
  /** Closes the client if it is ours. A user's client stays as it is. */
  close(): Promise<void>;
}

export interface Listener {
  message(text: string): void;
  /** Messages arrive from now on: the first time, and after each interruption. */
  active(): void;
  /** A pooler stands between: LISTEN would stay with a connection that others use, and nothing would arrive. It was not sent. */
  impossible(): void;
}

/** The statement was not sent: the client has no connection for it. */
export class NotSentError extends Error {
  override get name(): string {
    return 'NotSentError';
  }
}
