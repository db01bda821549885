import type { Stop } from '../../core/backend.js';

/** What a client answers: text, numbers, nothing, or lists of them. */
export type Reply = string | number | null | readonly Reply[];

export type Send = (args: readonly string[]) => Promise<Reply>;

/** A connection that carries only what is sent here, and fails with it: nothing is sent twice, or later. */
export interface OwnConnection {
  readonly send: Send;
  /** How often it has been made: whether two commands went on the same one. */
  readonly epoch: number;
  close(): void;
}

/** One of them to each server. */
export interface OwnConnections {
  /** The one to the server that has `key`. @throws NotConnectedError */
  to(key: string): OwnConnection;
  close(): void;
}

/** A client library, as the rest of the backend needs it. It rejects with what the library says, and retries nothing. */
export interface Driver {
  /** For messages: `ioredis`, `node-redis`. */
  readonly library: string;
  /** Keys are spread over several servers by their slot. */
  readonly cluster: boolean;
  /** Sends one command to the server that is responsible for `key`. May never settle: the caller has a deadline. */
  command(key: string, args: readonly string[]): Promise<Reply>;
  /**
   * For libraries that send a command again when its connection was lost. To be called before a command is handed over; the
   * result tells, after the command has failed, whether it may have been sent more than once.
   */
  resends?(): () => boolean;
  /** One sender for every server that owns keys. @throws NotConnectedError if they are not known yet */
  owners(): readonly Send[];
  /**
   * Listens on a connection of its own until it is stopped, and again after every loss of it.
   *
   * @param active messages arrive from now on: the first time, and after each interruption
   */
  subscribe(channel: string, message: (text: string) => void, active: () => void): Stop;
  /** @throws NotSupportedError if the client can make none */
  ownConnections(): OwnConnections;
  /** A server gave no answer: finds out, without being waited for, whether another has taken its place. */
  suspect?(): void;
  /** Closes the client if it is ours. A user's client stays as it is. */
  close(): void;
}

/** The client has no connection, and has not sent the command. */
export class NotConnectedError extends Error {
  override get name(): string {
    return 'NotConnectedError';
  }
}
