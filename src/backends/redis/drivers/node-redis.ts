import { setTimeout } from 'node:timers';
import type { Stop } from '../../../core/backend.js';
import { type Driver, NotConnectedError, type OwnConnection, type Reply } from '../driver.js';
import { destroying } from './destroying.js';
import { ownConnections } from './own-connections.js';

/** The subset of node-redis (the package `redis`, 5 and 6) that is used. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(args: readonly string[], options?: object): Promise<unknown>;
  duplicate(overrides?: object): NodeRedisClient;
  // biome-ignore lint/suspicious/noExplicitAny: what a listener is given depends on the event
  on(event: string, listener: (...args: any[]) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
}

export interface NodeRedisSubscriber extends NodeRedisClient {
  readonly options?: { readonly socket?: object };
  subscribe(channel: string, listener: (text: string) => void): Promise<unknown>;
}

export const subscribeAgainMs = 1_000;
const reconnectMsMax = 1_000;

export const reconnectStrategy = (retries: number) => Math.min((retries + 1) * 50, reconnectMsMax);

/** Replies as text and numbers, whatever mapping the client has for its own commands. */
export const plainReplies = { typeMapping: {} };

export function nodeRedisDriver(client: NodeRedisClient): Driver {
  const send = (args: readonly string[]) => client.sendCommand(args, plainReplies) as Promise<Reply>;
  return {
    library: 'node-redis',
    cluster: false,
    command: (_key, args) => send(args),
    owners: () => [send],
    subscribe: (channel, message, active) => subscribe(client as NodeRedisSubscriber, channel, message, active),
    ownConnections: () => {
      const server = { address: '', connect: () => connectOwn(client) };
      return ownConnections(
        () => server,
        () => [''],
        () => {},
      );
    },
    close: () => {},
  };
}

/** A connection that fails with what was sent on it. */
export function connectOwn(client: NodeRedisClient): OwnConnection {
  const socket = { ...(client as NodeRedisSubscriber).options?.socket, reconnectStrategy };
  const connection = client.duplicate({ socket, disableOfflineQueue: true });
  const close = destroying(connection);
  let epoch = 0;
  connection.on('error', () => {});
  connection.on('ready', () => {
    epoch += 1;
  });
  connection.connect().catch(() => {});
  return {
    get epoch() {
      return epoch;
    },
    send(args) {
      if (!connection.isReady) return Promise.reject(new NotConnectedError('not connected yet'));
      return connection.sendCommand(args, plainReplies) as Promise<Reply>;
    },
    close,
  };
}

function subscribe(client: NodeRedisSubscriber, channel: string, message: (text: string) => void, active: () => void): Stop {
  const connection = client.duplicate({ socket: { ...client.options?.socket, reconnectStrategy } }) as NodeRedisSubscriber;
  const close = destroying(connection);
  let stopped = false;
  let subscribed = false;
  const begin = () => {
    if (stopped) return;
    connection.subscribe(channel, message).then(
      () => {
        subscribed = true;
        active();
      },
      () => setTimeout(begin, subscribeAgainMs).unref(),
    );
  };
  // Its loss costs polls; node-redis comes back by itself, and has subscribed again when it says that it is ready.
  connection.on('error', () => {});
  connection.on('ready', () => (subscribed ? active() : begin()));
  connection.connect().catch(() => {});
  return () => {
    stopped = true;
    close();
  };
}
