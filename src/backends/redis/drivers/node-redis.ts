import { setTimeout } from 'node:timers';
import type { Stop } from '../../../core/backend.js';
import { type Driver, NotConnectedError, type Reply } from '../driver.js';

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

interface Subscriber extends NodeRedisClient {
  readonly options?: { readonly socket?: object };
  subscribe(channel: string, listener: (text: string) => void): Promise<unknown>;
}

const subscribeAgainMs = 1_000;
const reconnectMsMax = 1_000;

const reconnectStrategy = (retries: number) => Math.min((retries + 1) * 50, reconnectMsMax);

/** Replies as text and numbers, whatever mapping the client has for its own commands. */
const plainReplies = { typeMapping: {} };

export function nodeRedisDriver(client: NodeRedisClient): Driver {
  const send = (args: readonly string[]) => client.sendCommand(args, plainReplies) as Promise<Reply>;
  return {
    library: 'node-redis',
    command: (_key, args) => send(args),
    owners: () => [send],
    subscribe: (channel, message, active) => subscribe(client as Subscriber, channel, message, active),
    close: () => {},
  };
}

function subscribe(client: Subscriber, channel: string, message: (text: string) => void, active: () => void): Stop {
  const connection = client.duplicate({ socket: { ...client.options?.socket, reconnectStrategy } }) as Subscriber;
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
    if (connection.isOpen) connection.destroy();
  };
}

/** A client of our own: fails at once where it is not connected, and says why. */
export function ownNodeRedisDriver(client: NodeRedisClient): Driver {
  let trouble: Error | undefined;
  const note = (error: Error) => {
    trouble = error;
  };
  client.on('error', note);
  client.connect().catch(note);
  const driver = nodeRedisDriver(client);
  return {
    ...driver,
    command(key, args) {
      if (client.isReady) return driver.command(key, args);
      return Promise.reject(new NotConnectedError(trouble?.message ?? 'not connected yet', { cause: trouble }));
    },
    close: () => {
      if (client.isOpen) client.destroy();
    },
  };
}

export const ownNodeRedisSocket = { reconnectStrategy } as const;
