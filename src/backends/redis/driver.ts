import type { Stop } from '../../core/backend.js';

/** What a client answers: text, numbers, nothing, or lists of them. */
export type Reply = string | number | null | readonly Reply[];

/** A client library, as the rest of the backend needs it. It rejects with what the library says, and retries nothing. */
export interface Driver {
  /** For messages: `ioredis`, `node-redis`. */
  readonly library: string;
  /** Sends one command to the server that is responsible for `key`. May never settle: the caller has a deadline. */
  command(key: string, args: readonly string[]): Promise<Reply>;
  /** One sender for every server that owns keys. */
  owners(): readonly ((args: readonly string[]) => Promise<Reply>)[];
  /**
   * Listens on a connection of its own until it is stopped, and again after every loss of it.
   *
   * @param active messages arrive from now on: the first time, and after each interruption
   */
  subscribe(channel: string, message: (text: string) => void, active: () => void): Stop;
  /** Closes the client if it is ours. A user's client stays as it is. */
  close(): void;
}

/** The client has no connection, and has not sent the command. */
export class NotConnectedError extends Error {
  override get name(): string {
    return 'NotConnectedError';
  }
}
