import { performance } from 'node:perf_hooks';
import { setInterval, setTimeout } from 'node:timers';
import type { Calls } from '../../core/calls.js';
import { BackendUnavailableError, InvalidArgumentError } from '../../core/errors.js';
import { type ClientFactory, codeOf, codes, type ZooKeeperClient } from './client.js';
import { closed } from './errors.js';
import { breakConnection, mend, sending } from './mending.js';

/** How long a server may be silent, as a share of the session, hence a quarter of a TTL: time enough to renew through another one. */
const silenceRatio = 1 / 6;
/** Servers pause for as long as this when they are well. */
const silenceMsMin = 500;
/** A session may be wanted to last for days; no ask waits as long for a server, where there may be others. */
const silenceMsMax = 5_000;
/** Looks at the pulse in that time. */
const looksPerSilence = 4;
/** After so many session timeouts without a connection no server knows the session any more. */
const lostRatio = 1.5;
/** How long the farewell may take. */
const farewellMs = 500;
/** How often, and how long, it is looked whether the library has begun another connection after it. */
const lookAfterMs = 50;
const looksAfterMax = 200;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * One session of ZooKeeper after the other, each with a client of its own: a client whose session has expired is of no use.
 *
 * Nothing is handed to a client that is not connected: it would keep it, and send it when nobody wants it any more, before
 * its login.
 */
export class Session {
  /** The server may allow less, or demand more. */
  readonly #wantedMs: number;
  readonly #open: ClientFactory;
  readonly #calls: Calls;
  readonly #ended: (session: Session) => void;
  #client: ZooKeeperClient | undefined;
  #connected = false;
  #generation = 0;
  #disconnectedAtMs = 0;
  #attemptAtMs = 0;
  #lookedAtMs = 0;
  #failure: Error | undefined;
  readonly #waiting = new Set<Waiter>();
  /** When each request that has no answer yet was sent, oldest first. */
  readonly #unanswered = new Map<number, number>();
  #requests = 0;
  /** Before each. */
  #sending = () => {};
  #pulse: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param ended told when a session is over, and its nodes with it */
  constructor(open: ClientFactory, wantedMs: number, calls: Calls, ended: (session: Session) => void) {
    this.#open = open;
    this.#wantedMs = wantedMs;
    this.#calls = calls;
    this.#ended = ended;
  }

  /** Changes with the session: what was done under another number is over. */
  get generation(): number {
    return this.#generation;
  }

  /** As agreed with the server, once connected. */
  get timeoutMs(): number {
    return this.#client?.getSessionTimeout() ?? this.#wantedMs;
  }

  /** What its nodes name as their owner. */
  get id(): bigint {
    return this.#client?.getSessionId().readBigInt64BE(0) ?? 0n;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Waits for a connection. @throws BackendUnavailableError, ClosedError: nothing was sent */
  async ready(withinMs: number): Promise<void> {
    if (this.#closed) throw closed();
    if (this.#connected) return;
    this.#start();
    const waiter = deferred();
    const entry = { resolve: waiter.resolve, reject: waiter.reject };
    this.#waiting.add(entry);
    try {
      await this.#calls.promise(Math.max(1, withinMs), 'connecting', () => waiter.promise);
    } catch (error) {
      if (this.#closed) throw closed();
      if (error instanceof BackendUnavailableError) throw error;
      const why = this.#failure === undefined ? '' : ` (${this.#failure.message})`;
      throw new BackendUnavailableError(
        `no ZooKeeper server gave a session within ${Math.round(withinMs)} ms${why}: check that the servers are up and reachable`,
        { cause: error },
      );
    } finally {
      this.#waiting.delete(entry);
    }
  }

  /** Hands a request to the client. Settles when the client says so, which may be never. */
  send<T>(start: (client: ZooKeeperClient, done: (error: unknown, value: T) => void) => void): Promise<T> {
    const client = this.#client;
    if (this.#closed) return Promise.reject(closed());
    if (client === undefined || !this.#connected) {
      return Promise.reject(new BackendUnavailableError('ZooKeeper: the connection was lost before this was sent: ask again'));
    }
    return new Promise((resolve, reject) => {
      const number = this.#requests++;
      this.#unanswered.set(number, performance.now());
      this.#sending();
      start(client, (error, value) => {
        this.#unanswered.delete(number);
        if (!error) return resolve(value);
        reject(error);
        // Said to a request, and not to a connection, where somebody else has ended the session: the library goes on with it.
        if (codeOf(error) === codes.sessionExpired && client === this.#client && !this.#closed)
          this.#drop('the session has expired');
      });
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#pulse);
    for (const { reject } of this.#waiting) reject(closed());
    const client = this.#client;
    if (client !== undefined) await farewell(client, this.#connected);
  }

  #start(): void {
    if (this.#client !== undefined) return;
    const client = opened(this.#open(this.#wantedMs));
    this.#client = client;
    this.#attemptAtMs = performance.now();
    this.#disconnectedAtMs = this.#attemptAtMs;
    mend(client);
    this.#sending = sending(client);
    const mine = (react: () => void) => () => {
      if (this.#client === client && !this.#closed) react();
    };
    client.on('connected', mine(this.#isConnected));
    client.on('disconnected', mine(this.#isDisconnected));
    client.on(
      'expired',
      mine(() => this.#drop('the session has expired')),
    );
    client.on(
      'authenticationFailed',
      mine(() => this.#drop('the server refused the login: correct it', true)),
    );
    // Other libraries of the same shape may have errors of their own.
    client.on(
      'error',
      mine(() => {}),
    );
    this.#feelPulse();
    client.connect();
  }

  /** As often as the session demands: how long it lasts is known for sure when it is there. */
  #feelPulse(): void {
    clearInterval(this.#pulse);
    this.#pulse = setInterval(() => this.#checkPulse(), this.#silenceMs / looksPerSilence);
    this.#pulse.unref();
  }

  get #silenceMs(): number {
    const silenceMs = Math.min(this.#wantedMs, this.timeoutMs) * silenceRatio;
    return Math.min(silenceMsMax, Math.max(silenceMsMin, silenceMs));
  }

  readonly #isConnected = (): void => {
    this.#connected = true;
    this.#feelPulse();
    this.#failure = undefined;
    for (const { resolve } of this.#waiting) resolve();
  };

  readonly #isDisconnected = (): void => {
    const nowMs = performance.now();
    if (this.#connected) this.#disconnectedAtMs = nowMs;
    this.#connected = false;
    this.#attemptAtMs = nowMs;
    // None will be answered, and not all are told so: the library has lost those whose answers it could not read.
    this.#unanswered.clear();
  };

  /** A server that is silent is left, and a session that no server can know any more is given up. */
  #checkPulse(): void {
    const client = this.#client;
    if (client === undefined) return;
    const nowMs = performance.now();
    const silenceMs = this.#silenceMs;
    // Answers may lie unread after a pause of this process: they come before the next look.
    const paused = nowMs - this.#lookedAtMs > silenceMs / 2;
    this.#lookedAtMs = nowMs;
    if (paused) return;
    if (this.#connected) {
      for (const sentMs of this.#unanswered.values()) {
        if (nowMs - sentMs < silenceMs) return;
        if (!breakConnection(client)) this.#drop('the server is silent');
        return;
      }
    } else if (nowMs - this.#disconnectedAtMs > this.timeoutMs * lostRatio) {
      this.#drop('no server could be reached for longer than a session lasts');
    } else if (nowMs - this.#attemptAtMs > silenceMs) {
      this.#attemptAtMs = nowMs;
      breakConnection(client);
    }
  }

  /** The next call begins another session. */
  #drop(why: string, permanent = false): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#client = undefined;
    this.#connected = false;
    this.#generation += 1;
    this.#failure = new Error(why);
    this.#unanswered.clear();
    clearInterval(this.#pulse);
    void farewell(client, false);
    const failure = new BackendUnavailableError(`ZooKeeper: ${why}`, { permanent });
    for (const { reject } of [...this.#waiting]) reject(failure);
    this.#ended(this);
  }
}

/** @throws InvalidArgumentError */
function opened(client: ZooKeeperClient): ZooKeeperClient {
  if (typeof client?.connect !== 'function' || typeof client.transaction !== 'function') {
    throw new InvalidArgumentError('the function given to zookeeper() must return a client of node-zookeeper-client');
  }
  if ((client.getState() as { readonly name?: unknown }).name !== 'DISCONNECTED') {
    throw new InvalidArgumentError('the function given to zookeeper() must return a new client each time, and not connect it');
  }
  return client;
}

/** Ends a client, also one that does not end by itself. */
function farewell(client: ZooKeeperClient, connected: boolean): Promise<void> {
  return new Promise((resolve) => {
    const leave = () => {
      clearTimeout(timer);
      breakConnection(client);
      lookAfter(client);
      resolve();
    };
    const timer = setTimeout(leave, connected ? farewellMs : 0);
    client.on('disconnected', leave);
    try {
      client.close();
    } catch {
      leave();
    }
  });
}

/** A connection that it was about to begin is begun although it was closed, and a server may be silent for ever. */
function lookAfter(client: ZooKeeperClient): void {
  let looks = 0;
  const timer = setInterval(() => {
    looks += 1;
    const isOver = (client.getState() as { readonly name?: unknown }).name === 'CLOSED';
    if (isOver || !breakConnection(client) || looks === looksAfterMax) clearInterval(timer);
  }, lookAfterMs);
  timer.unref();
}

function deferred() {
  let resolve = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
