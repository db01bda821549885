import { setTimeout } from 'node:timers';
import { backoffMs } from '../../core/backoff.js';
import { Calls } from '../../core/calls.js';
import type { Ports } from '../../core/clock.js';
import { ClosedError, OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { fault, ReplyError, verdictOf } from './errors.js';
import { Endpoint, type Reply, type Request, type Sent } from './http.js';
import { type Op, parseTxn, type TxnAnswer } from './ops.js';
import type { Settings } from './options.js';

/** Pauses between the tries of one call: an election takes a second or more. */
const pauseMsMin = 5;
const pauseMsMax = 250;

/** Share of what is left of a call's time that one server gets, while there are others. */
const tryRatio = 0.4;

/** Statuses that answer a question: done, there is none, the transaction's conditions do not hold. */
const answers: ReadonlySet<number> = new Set([200, 404, 409]);

export interface Noted {
  /** Some try may have taken effect although it was not answered. */
  uncertain: boolean;
}

/**
 * Requests to the agents, each with a deadline of its own, and tried again within it: on the next one after one that failed. All
 * transactions are idempotent by what they compare, so that one whose reply was lost is settled by sending it again.
 */
export class Rpc {
  readonly ports: Ports;
  readonly endpoints: readonly Endpoint[];
  readonly #calls: Calls;
  readonly #datacenter: string;
  #current: number;
  #closed = false;
  /** The highest index of any key that was seen: what is written from now on has a higher one. */
  #highest = 0;
  #lives = 0;

  constructor(settings: Settings, ports: Ports) {
    this.ports = ports;
    this.#calls = new Calls(ports);
    this.#datacenter = settings.datacenter === undefined ? '' : `dc=${encodeURIComponent(settings.datacenter)}`;
    this.endpoints = settings.addresses.map((address) => new Endpoint(address, settings));
    // The first one is the nearest, where somebody gave them an order.
    this.#current = 0;
  }

  /** @throws ClosedError, BackendUnavailableError, OutcomeUnknownError, and what `verdictOf` calls "session-gone" as it is */
  async call(doing: string, request: Request, timeoutMs: number, noted: Noted = { uncertain: false }): Promise<Reply> {
    const dueMs = this.ports.now().monotonicMs + timeoutMs;
    for (let tries = 1; ; tries++) {
      this.mustBeOpen();
      const endpoint = this.#endpoint;
      try {
        return await this.once(endpoint, doing, request, this.#tryMs(dueMs - this.ports.now().monotonicMs));
      } catch (error) {
        this.mustBeOpen();
        const verdict = verdictOf(error);
        noted.uncertain ||= verdict === 'unknown';
        if (verdict === 'session-gone') throw error;
        if (verdict !== 'permanent') this.#failed(endpoint);
        const pauseMs = backoffMs(tries, pauseMsMin, pauseMsMax, this.ports.random());
        const isOver = this.ports.now().monotonicMs + pauseMs >= dueMs;
        if (isOver || verdict === 'permanent') throw fault(error, doing, noted.uncertain);
        await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /** @param isConsistent for one that only reads, and whose answer nothing is compared with later. @throws as `call` */
  async txn(
    doing: string,
    ops: readonly Op[],
    timeoutMs: number,
    noted: Noted = { uncertain: false },
    isConsistent = false,
  ): Promise<TxnAnswer> {
    const path = isConsistent ? '/v1/txn?consistent' : '/v1/txn';
    const { text } = await this.call(doing, { method: 'PUT', path, body: JSON.stringify(ops) }, timeoutMs, noted);
    const answer = parsed(doing, text, () => parseTxn(text));
    if (answer.ok) {
      for (const { modifyIndex } of answer.kvs) this.#highest = Math.max(this.#highest, modifyIndex);
      return answer;
    }
    for (const { what } of answer.failed) {
      const verdict = verdictOf(new ReplyError(409, what));
      if (verdict === 'session-gone') throw new Error(what);
      // 409 itself is an answer: only what is known to be lasting.
      const error = new Error(what);
      if (verdictOf(error) === 'permanent') throw fault(error, doing, noted.uncertain);
    }
    return answer;
  }

  get highest(): number {
    return this.#highest;
  }

  /** How often it was found to be another one. */
  get lives(): number {
    return this.#lives;
  }

  /** The store is another one than it was. */
  forgetIndex(): void {
    this.#lives += 1;
    this.#highest = 0;
  }

  /** One try on one server. @throws OutcomeUnknownError after `timeoutMs`, ReplyError, what node:http throws */
  async once(endpoint: Endpoint, doing: string, request: Request, timeoutMs: number): Promise<Reply> {
    const sent = endpoint.send(this.#located(request));
    try {
      const reply = await this.#calls.promise(timeoutMs, `Consul: ${doing}`, () => sent.reply);
      if (!answers.has(reply.status)) throw new ReplyError(reply.status, reply.text);
      return reply;
    } catch (error) {
      sent.cancel();
      sent.reply.catch(() => undefined);
      throw error;
    }
  }

  /** A question that is answered when something has changed; its deadline is the caller's. */
  watch(path: string): Sent {
    this.mustBeOpen();
    return this.#endpoint.send(this.#located({ method: 'GET', path }), true);
  }

  close(): void {
    this.#closed = true;
    for (const endpoint of this.endpoints) endpoint.close();
  }

  get closed(): boolean {
    return this.#closed;
  }

  mustBeOpen(): void {
    if (this.#closed) throw new ClosedError('this Consul backend is closed: make a new one');
  }

  get #endpoint(): Endpoint {
    return this.endpoints[this.#current] as Endpoint;
  }

  /** Nothing changes if somebody else found out before. */
  #failed(endpoint: Endpoint): void {
    if (this.#endpoint === endpoint) this.#current = (this.#current + 1) % this.endpoints.length;
  }

  /** A server that hangs must leave time for the next one. */
  #tryMs(leftMs: number): number {
    const share = this.endpoints.length > 1 ? leftMs * tryRatio : leftMs;
    return Math.max(1, Math.min(leftMs, Math.max(limits.callTimeoutMsMin, share)));
  }

  #located(request: Request): Request {
    if (this.#datacenter === '') return request;
    const mark = request.path.includes('?') ? '&' : '?';
    return { ...request, path: `${request.path}${mark}${this.#datacenter}` };
  }
}

/** What `parse` makes of an answer. @throws OutcomeUnknownError for one that no Consul gives */
export function parsed<T>(doing: string, text: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const said = JSON.stringify(text.slice(0, 80));
    throw new OutcomeUnknownError(
      `Consul failed while ${doing}: the answer was ${said}: check that the addresses are those of Consul's HTTP API, or of a proxy that passes it on`,
      { cause },
    );
  }
}

/** As it stands in an address: each of its parts percent-encoded once more. Two slashes in a row would be made one. */
export function keyPath(key: string): string {
  return `/v1/kv/${key.split('/').map(encodeURIComponent).join('/').replaceAll('//', '/%2F')}`;
}
