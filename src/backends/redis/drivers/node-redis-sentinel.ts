import process from 'node:process';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Stop } from '../../../core/backend.js';
import { NotSupportedError } from '../../../core/errors.js';
import { type Driver, NotConnectedError, type Reply } from '../driver.js';
import { plainReplies, subscribeAgainMs } from './node-redis.js';

/** The subset of node-redis' Sentinel client (`createSentinel` of the package `redis`, 5 and 6) that is used. */
export interface NodeRedisSentinel {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(isReadonly: boolean, args: readonly string[], options?: object): Promise<unknown>;
  getMasterNode(): unknown;
  subscribe(channel: string, listener: (text: string) => void): Promise<unknown>;
  unsubscribe(channel: string, listener: (text: string) => void): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: what a listener is given depends on the event
  on(event: string, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the same
  off(event: string, listener: (...args: any[]) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): unknown;
}

export function nodeRedisSentinelDriver(client: NodeRedisSentinel): Driver {
  const gate = gates.get(client) ?? new Gate();
  gates.set(client, gate);
  const now = (args: readonly string[]) => {
    // A command given to a closed one never ends, and nor does anything else: it asks itself without a pause.
    if (!client.isOpen || !client.isReady) return Promise.reject(new NotConnectedError('The client is closed'));
    return client.sendCommand(false, args, plainReplies) as Promise<Reply>;
  };
  const send = (args: readonly string[]) => gate.through(() => now(args));
  return {
    library: 'node-redis',
    cluster: false,
    command: (_key, args) => send(args),
    owners: () => [send],
    subscribe: (channel, message, active) => subscribe(client, channel, message, active),
    ownConnections() {
      throw new NotSupportedError(
        'replicas needs connections of its own, which a Sentinel client of node-redis cannot make: use one of ioredis',
      );
    },
    close: () => {},
  };
}

/** A client may serve several backends. */
const gates = new WeakMap<NodeRedisSentinel, Gate>();

/**
 * Commands under way share the connection that the first of them has taken. Those that come after that one, but before it
 * has been given the connection, each try to take one for themselves, and wait until nothing at all is under way, which on a
 * busy client is never (as of 5.9 and 6.3). So whatever comes with a first one waits for the end of this tick.
 */
class Gate {
  #taking: Promise<void> | undefined;

  async through<T>(send: () => Promise<T>): Promise<T> {
    if (this.#taking === undefined) {
      this.#taking = new Promise((resolve) => {
        // Comes after all promises that are settled by now, and before any reply.
        process.nextTick(() => {
          this.#taking = undefined;
          resolve();
        });
      });
    } else await this.#taking;
    return send();
  }
}

/**
 * Such a client has a connection for subscriptions already, and moves it to a new master. It is asked again every few seconds, which
 * sends nothing where it knows the subscription: it does not say when it has dropped one, and calls one made whose connection was replaced
 * in the meantime (as of 5.12 and 6.3). Whoever missed a message until then finds out by a poll. A connection that it has given up for
 * good, because its options tell it to, is not made anew.
 */
function subscribe(client: NodeRedisSentinel, channel: string, message: (text: string) => void, active: () => void): Stop {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const again = (afterMs: number, wasLost: boolean) => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(listen, afterMs, wasLost).unref();
  };
  const listen = (wasLost: boolean) => {
    clearTimeout(timer);
    if (stopped) return;
    if (!client.isReady) return again(subscribeAgainMs, true);
    const listening = () => {
      if (stopped) return leave();
      again(lookEveryMs, false);
      if (wasLost) active();
    };
    // Once more is the same as once.
    client.subscribe(channel, message).then(listening, () => again(subscribeAgainMs, true));
  };
  const leave = () => {
    if (client.isReady) client.unsubscribe(channel, message).catch(() => {});
    else if (client.isOpen) setTimeout(leave, subscribeAgainMs).unref();
  };
  const changed = ({ type }: { readonly type?: string }) => {
    if (type === 'MASTER_CHANGE') listen(true);
  };
  client.on('topology-change', changed);
  listen(true);
  return () => {
    stopped = true;
    clearTimeout(timer);
    client.off('topology-change', changed);
    leave();
  };
}

const lookEveryMs = 5_000;
