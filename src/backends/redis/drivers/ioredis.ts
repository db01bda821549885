import { setTimeout } from 'node:timers';
import type { Stop } from '../../../core/backend.js';
import { InvalidArgumentError } from '../../../core/errors.js';
import { type Driver, NotConnectedError, type Reply } from '../driver.js';

/** The subset of ioredis (5.4 and later, 6) that is used. */
export interface IoredisClient {
  readonly isCluster: boolean;
  readonly status: string;
  readonly options: object;
  call(command: string, ...args: string[]): Promise<unknown>;
  duplicate(override?: object): IoredisClient;
  // biome-ignore lint/suspicious/noExplicitAny: what a listener is given depends on the event
  on(event: string, listener: (...args: any[]) => void): unknown;
  disconnect(): void;
}

interface Subscriber extends IoredisClient {
  subscribe(channel: string): Promise<unknown>;
}

/** Between two tries to subscribe where the server refused: polls do the work meanwhile. */
const subscribeAgainMs = 1_000;
const reconnectMsMax = 1_000;

const reconnecting = { retryStrategy: (times: number) => Math.min(times * 50, reconnectMsMax) };

/** @throws InvalidArgumentError if the client would change our keys */
export function ioredisDriver(client: IoredisClient): Driver {
  const { keyPrefix } = client.options as { readonly keyPrefix?: unknown };
  if (keyPrefix !== undefined && keyPrefix !== null && String(keyPrefix) !== '') {
    throw new InvalidArgumentError(
      'the ioredis client has a keyPrefix, which scripts and channels do not see: make one without it, and give the prefix to redis(client, { prefix })',
    );
  }
  const send = (args: readonly string[]) => {
    // Else it could not be told from a connection that was lost with the command on it.
    if (client.status === 'end') return Promise.reject(new NotConnectedError('the client is closed: close it after Holdfast'));
    return client.call(...(args as [string, ...string[]])) as Promise<Reply>;
  };
  return {
    library: 'ioredis',
    command: (_key, args) => send(args),
    owners: () => [send],
    subscribe: (channel, message, active) => subscribe(client, channel, message, active),
    close: () => {},
  };
}

function subscribe(client: IoredisClient, channel: string, message: (text: string) => void, active: () => void): Stop {
  const override = { ...reconnecting, lazyConnect: false, autoResubscribe: false, enableOfflineQueue: true };
  const connection = client.duplicate(override) as Subscriber;
  let stopped = false;
  const begin = () => {
    if (stopped) return;
    connection.subscribe(channel).then(active, () => setTimeout(begin, subscribeAgainMs).unref());
  };
  // Its loss costs polls, and ioredis comes back by itself.
  connection.on('error', () => {});
  connection.on('ready', begin);
  connection.on('message', (_channel: string, text: string) => message(text));
  return () => {
    stopped = true;
    connection.disconnect();
  };
}

/** A client of our own: fails at once where it is not connected, and says why. */
export function ownIoredisDriver(client: IoredisClient): Driver {
  let trouble: Error | undefined;
  let lasting = false;
  client.on('error', (error: Error) => {
    trouble = error;
    // ioredis goes on with database 0 where there is no such database.
    lasting ||= /^ERR (?:DB index|SELECT)/.test(error.message);
  });
  const driver = ioredisDriver(client);
  return {
    ...driver,
    command(key, args) {
      if (client.status === 'ready' && !lasting) return driver.command(key, args);
      return Promise.reject(new NotConnectedError(trouble?.message ?? 'not connected yet', { cause: trouble }));
    },
    close: () => client.disconnect(),
  };
}

/** How such a client is to be made: what cannot be sent at once is our business, not a queue's. */
export const ownIoredisOptions = { ...reconnecting, maxRetriesPerRequest: null, lazyConnect: false } as const;
