import process from 'node:process';
import { setTimeout } from 'node:timers';
import type { Stop } from '../../../core/backend.js';
import { InvalidArgumentError } from '../../../core/errors.js';
import { type Driver, NotConnectedError, type OwnConnection, type Reply } from '../driver.js';
import { ownConnections } from './own-connections.js';
import { reopening } from './reopening.js';

/** The subset of ioredis (5.4 and later, 6) that is used. */
export interface IoredisClient {
  readonly isCluster: boolean;
  readonly status: string;
  readonly options: object;
  /** The connection of the moment. */
  readonly stream?: unknown;
  call(command: string, ...args: string[]): Promise<unknown>;
  duplicate(override?: object): IoredisClient;
  connect(): Promise<void>;
  // biome-ignore lint/suspicious/noExplicitAny: what a listener is given depends on the event
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: () => void): unknown;
  disconnect(): void;
}

export interface IoredisSubscriber extends IoredisClient {
  subscribe(channel: string): Promise<unknown>;
}

/** Between two tries to subscribe where the server refused: polls do the work meanwhile. */
const subscribeAgainMs = 1_000;
const reconnectMsMax = 1_000;

const pauseMs = (tries: number) => Math.min(tries * 50, reconnectMsMax);
/**
 * A sentinel that hangs is not waited for: it often stands on the machine of the master that does. One that is only far away has to connect
 * and to answer twice in that time: ioredis introduces itself first.
 */
const sentinelTimeoutMs = 2_000;
export const reconnecting = {
  retryStrategy: pauseMs,
  sentinelRetryStrategy: pauseMs,
  sentinelCommandTimeout: sentinelTimeoutMs,
};

/** For connections of our own beside the application's: who has said how long to wait for a sentinel knows how far away it is. */
function reconnectingLike({ options }: IoredisClient): typeof reconnecting {
  const { sentinelCommandTimeout } = options as { readonly sentinelCommandTimeout?: number | null };
  return { ...reconnecting, sentinelCommandTimeout: sentinelCommandTimeout ?? sentinelTimeoutMs };
}

/** @throws InvalidArgumentError if the client would change our keys */
export function ioredisDriver(client: IoredisClient): Driver {
  refuseKeyPrefix(client.options);
  const gather = gathering();
  const connections = countConnections(client);
  const send = (args: readonly string[]) => {
    // Else it could not be told from a connection that was lost with the command on it.
    if (client.status === 'end') return Promise.reject(new NotConnectedError('the client is closed: close it after Holdfast'));
    gather(client.stream);
    return client.call(...(args as [string, ...string[]])) as Promise<Reply>;
  };
  return {
    library: 'ioredis',
    cluster: false,
    command: (_key, args) => send(args),
    resends: connections.resends,
    owners: () => [send],
    subscribe: (channel, message, active) => subscribe(client, channel, message, active),
    ownConnections: () => {
      const server = { address: '', connect: () => connectOwn(client) };
      return ownConnections(
        () => server,
        () => [''],
        () => {},
      );
    },
    close: connections.stopCounting,
  };
}

/** Counts connections: what is handed over while there is none is sent on the next. */
function countConnections(client: IoredisClient) {
  let count = client.status === 'ready' ? 1 : 0;
  const ready = () => {
    count += 1;
  };
  client.on('ready', ready);
  return {
    resends: () => {
      const sentOn = client.status === 'ready' ? count : count + 1;
      return () => count > sentOn;
    },
    stopCounting: () => void client.off('ready', ready),
  };
}

/** What can hold back what is written to it. */
interface Corked {
  cork(): void;
  uncork(): void;
}

/** Those that were corked in this turn of the event loop; one list and one tick for all clients. */
const corked: Corked[] = [];
let turn = 0;
let turnEnds = false;

function endTurn(): void {
  turn += 1;
  turnEnds = false;
  for (const stream of corked.splice(0)) stream.uncork();
}

/**
 * ioredis makes one write of each command, and each is a system call: from the second on, those of one turn of the event loop
 * leave together at its end. The first leaves at once, so that a single one keeps nothing waiting, nobody else's either.
 */
function gathering(): (stream: unknown) => void {
  let sent = 0;
  let sentIn = -1;
  return (stream) => {
    if (sentIn !== turn) sent = 0;
    sentIn = turn;
    sent += 1;
    if (!turnEnds) {
      turnEnds = true;
      process.nextTick(endTurn);
    }
    if (sent !== 2 || typeof (stream as Partial<Corked> | null | undefined)?.cork !== 'function') return;
    (stream as Corked).cork();
    corked.push(stream as Corked);
  };
}

/** A connection that fails with what was sent on it. */
export function connectOwn(client: IoredisClient): OwnConnection {
  const never = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 };
  const connection = client.duplicate({ ...reconnectingLike(client), ...never, lazyConnect: false, enableAutoPipelining: false });
  const stopReopening = reopening(connection);
  let epoch = 0;
  connection.on('error', () => {});
  connection.on('ready', () => {
    epoch += 1;
  });
  return {
    get epoch() {
      return epoch;
    },
    send(args) {
      if (connection.status !== 'ready') return Promise.reject(new NotConnectedError('not connected yet'));
      return connection.call(...(args as [string, ...string[]])) as Promise<Reply>;
    },
    close() {
      stopReopening();
      connection.disconnect();
    },
  };
}

/** @throws InvalidArgumentError */
export function refuseKeyPrefix(options: object): void {
  const { keyPrefix } = options as { readonly keyPrefix?: unknown };
  if (keyPrefix !== undefined && keyPrefix !== null && String(keyPrefix) !== '') {
    throw new InvalidArgumentError(
      'the ioredis client has a keyPrefix, which scripts and channels do not see: make one without it, and give the prefix to redis(client, { prefix })',
    );
  }
}

function subscribe(client: IoredisClient, channel: string, message: (text: string) => void, active: () => void): Stop {
  const override = { ...reconnectingLike(client), lazyConnect: false, autoResubscribe: false, enableOfflineQueue: true };
  const connection = client.duplicate(override) as IoredisSubscriber;
  const stopReopening = reopening(connection);
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
    stopReopening();
    connection.disconnect();
  };
}
