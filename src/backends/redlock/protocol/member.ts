import { type Calls, messageOf, promised } from '../../../core/calls.js';
import type { Ports } from '../../../core/clock.js';
import { BackendUnavailableError, HoldfastError, OutcomeUnknownError } from '../../../core/errors.js';
import type { Node, Standing } from '../node.js';
import { nodeTimeoutMs, type ProtocolSettings, patienceMs } from '../options.js';
import type { InFlight } from './in-flight.js';
import { NodeClock } from './node-clock.js';

/** How long a node that gave no answer is not asked; doubles with each time in a row. Then one call finds out. */
const restMsMin = 1_000;
const restMsMax = 10_000;

/** A connection is being made: the first call of all may take longer, where the TTL allows it. */
const firstTimeoutMs = 2_000;
const firstTtlRatio = 0.4;

/** A timer that is late by so much of its time was held up by this process itself. */
const stallRatio = 0.2;

/** The node does not vote now. */
export class NotVotingError extends BackendUnavailableError {}

/** What is the same for all members. */
export interface Context {
  readonly ports: Ports;
  readonly calls: Calls;
  readonly settings: ProtocolSettings;
  readonly inFlight: InFlight;
}

/**
 * A node as this process knows it: as which incarnation it was joined, how its clock stands to ours, whether it is skipped.
 * Gives every call its deadline.
 */
export class Member {
  readonly node: Node;
  readonly clock = new NodeClock();
  /** As which it was joined. */
  incarnation: string | undefined;
  /** What it said last instead of an answer. */
  lastError: HoldfastError | undefined;
  readonly #context: Context;
  readonly #isTwin: (self: Member) => Member | undefined;
  readonly #answered: (self: Member) => void;
  #joining: Promise<void> | undefined;
  #asked = false;
  #silences = 0;
  /** When the last call was sent that was answered. */
  #answeredMs = Number.NEGATIVE_INFINITY;
  #restsUntilMs = Number.NEGATIVE_INFINITY;
  #waitsUntilMs = Number.NEGATIVE_INFINITY;

  /**
   * @param isTwin another member that turned out to be the same server
   * @param answered is called with each answer
   */
  constructor(
    node: Node,
    context: Context,
    isTwin: (self: Member) => Member | undefined,
    answered: (self: Member) => void = () => {},
  ) {
    this.node = node;
    this.#context = context;
    this.#isTwin = isTwin;
    this.#answered = answered;
  }

  get name(): string {
    return this.node.name;
  }

  /** It gave no answer lately, and is skipped where a majority can be had without it. */
  get rests(): boolean {
    return this.#restsUntilMs > Number.NEGATIVE_INFINITY && this.#nowMs < this.#restsUntilMs;
  }

  /** How long it sits out its grace, by our clock: also if its own was stepped meanwhile. */
  get waitsMs(): number {
    return this.#waitsUntilMs > Number.NEGATIVE_INFINITY ? Math.max(0, this.#waitsUntilMs - this.#nowMs) : 0;
  }

  /**
   * One request within its deadline. Called back instead of awaited, down to the client library: an uncontended lock spends more
   * on promises than on anything else. Exactly one of the two functions is called, never at once.
   *
   * @param failed is told whatever the node says, an OutcomeUnknownError without an answer
   */
  request<T>(
    doing: string,
    ttlMs: number,
    send: () => Promise<T>,
    answered: (value: T) => void,
    failed: (error: unknown) => void,
    timeoutMs = this.#timeoutMs(ttlMs),
  ): void {
    this.#request(doing, ttlMs, timeoutMs, send, answered, failed);
  }

  /** The same as a promise. */
  call<T>(doing: string, ttlMs: number, send: () => Promise<T>, timeoutMs = this.#timeoutMs(ttlMs)): Promise<T> {
    return new Promise((resolve, reject) => this.#request(doing, ttlMs, timeoutMs, send, resolve, reject));
  }

  /** A request that only a node may answer that was joined. `failed` is told a NotVotingError if it says nothing that counts. */
  voting<T extends Standing>(
    doing: string,
    ttlMs: number,
    send: (incarnation: string) => Promise<T>,
    answered: (value: T) => void,
    failed: (error: unknown) => void,
  ): void {
    let as = '';
    let sentMs = 0;
    let strange = 0;
    const sendNow = () => {
      const twin = this.#isTwin(this);
      if (twin !== undefined) return Promise.reject(sameServer(twin));
      as = this.incarnation ?? '';
      sentMs = this.#nowMs;
      return send(as);
    };
    const sendJoined = () => (this.incarnation === undefined ? this.#join().then(sendNow) : sendNow());
    const read = (reply: T) => {
      this.#heard(reply, sentMs);
      if (reply.state === 'votes' && this.waitsMs > 0) return { ...reply, state: 'waits' as const };
      if (reply.state !== 'stranger') return reply;
      if (this.incarnation === as) this.incarnation = undefined;
      strange += 1;
      return strange > 1 ? Promise.reject(new NotVotingError('it was restarted again and again: see its log')) : sendJoined();
    };
    this.#request(doing, ttlMs, this.#timeoutMs(ttlMs), sendJoined, answered, failed, read);
  }

  /** @param read makes of the answer what is answered, or asks again */
  #request<T>(
    doing: string,
    ttlMs: number,
    timeoutMs: number,
    send: () => Promise<T>,
    answered: (value: T) => void,
    failed: (error: unknown) => void,
    read?: (value: T) => T | Promise<T>,
  ): void {
    const { calls, inFlight, ports } = this.#context;
    const sentAt = ports.now();
    const sentMs = sentAt.monotonicMs;
    let fromMs = sentMs;
    inFlight.add();
    const late = (error: unknown) => {
      if (!this.#heldUp(error, fromMs, sentMs, timeoutMs, ttlMs)) return ended(error);
      const from = ports.now();
      fromMs = from.monotonicMs;
      pending = calls.expect(timeoutMs, from, doing, late);
    };
    const ended = (error: unknown) => {
      this.#asked = true;
      // What was asked after it has been answered: the reply was lost, and the node is there.
      if (!isOurs(error) && sentMs >= this.#answeredMs) this.#silent(error);
      failed(error);
      inFlight.settled();
    };
    const refused = (error: unknown) => {
      if (calls.settle(pending)) ended(error);
    };
    const heard = (value: T): void => {
      let said: T | Promise<T>;
      try {
        said = read === undefined ? value : read(value);
      } catch (error) {
        return refused(error);
      }
      if (said instanceof Promise) return void said.then(heard, refused);
      this.#noted(sentMs);
      if (!calls.settle(pending)) return;
      this.#asked = true;
      answered(said);
      // After what follows from it was sent: that is waited for as well.
      inFlight.settled();
    };
    let pending = calls.expect(timeoutMs, sentAt, doing, late);
    promised(send).then(heard, refused);
  }

  /** A deadline that fired late says that this process was busy or stood still: the answer may be there, unread. */
  #heldUp(error: unknown, fromMs: number, sentMs: number, timeoutMs: number, ttlMs: number): boolean {
    const nowMs = this.#nowMs;
    const isLate = nowMs - fromMs > timeoutMs * (1 + stallRatio);
    const isOver = fromMs > sentMs && nowMs - sentMs >= patienceMs(this.#context.settings, ttlMs);
    return isLate && !isOver && error instanceof OutcomeUnknownError;
  }

  /** One at a time: all that wait for it go on with it. */
  #join(): Promise<void> {
    // With a deadline of its own: whoever waits for it would else wait behind one that never settles, for ever.
    this.#joining ??= this.#context.calls
      .promise(firstTimeoutMs, 'joining', () => this.#joinNow())
      .finally(() => {
        this.#joining = undefined;
      });
    return this.#joining;
  }

  async #joinNow(): Promise<void> {
    const { maxTtlMs, newNodes } = this.#context.settings;
    const sentMs = this.#nowMs;
    const joined = await this.node.join({ graceMs: maxTtlMs, trustNew: newNodes === 'trust' });
    this.#waitsUntilMs = Number.NEGATIVE_INFINITY;
    this.#heard(joined, sentMs);
    this.incarnation = joined.incarnation;
  }

  #heard(standing: Standing, sentMs: number): void {
    const nowMs = this.#nowMs;
    this.clock.heard(standing.nowUs, sentMs, nowMs);
    // What has begun is not shortened by a step of its clock.
    if (standing.state === 'waits') this.#waitsUntilMs = Math.max(this.#waitsUntilMs, nowMs + standing.votesInMs);
  }

  /** Also an answer that comes too late shows that it is there. */
  #noted(sentMs: number): void {
    this.#answeredMs = Math.max(this.#answeredMs, sentMs);
    this.#silences = 0;
    this.#restsUntilMs = Number.NEGATIVE_INFINITY;
    this.lastError = undefined;
    this.#answered(this);
  }

  #silent(error: unknown): void {
    this.#silences += 1;
    const restMs = Math.min(restMsMax, restMsMin * 2 ** Math.min(this.#silences - 1, 30));
    this.#restsUntilMs = this.#nowMs + restMs;
    this.lastError = error as HoldfastError;
  }

  /** Longer after each silence in a row: a node that is merely slow must not be given up again and again for good. */
  #timeoutMs(ttlMs: number): number {
    const { settings } = this.#context;
    const timeoutMs = Math.min(nodeTimeoutMs(settings, ttlMs) * 2 ** Math.min(this.#silences, 30), patienceMs(settings, ttlMs));
    return this.#asked ? timeoutMs : Math.max(timeoutMs, Math.min(firstTimeoutMs, ttlMs * firstTtlRatio));
  }

  get #nowMs(): number {
    return this.#context.ports.now().monotonicMs;
  }
}

function sameServer(twin: Member): NotVotingError {
  return new NotVotingError(`it is the same server as ${twin.name}: give each node a server of its own`);
}

/** It says nothing about whether the node is there. */
function isOurs(error: unknown): boolean {
  return error instanceof NotVotingError || (error instanceof HoldfastError && /^(?:INVALID_ARGUMENT|CLOSED)$/.test(error.code));
}

/** Why a node did not answer, for a message. */
export function excuseOf(member: Member, error: unknown): string {
  const { waitsMs } = member;
  if (waitsMs > 0) return `${member.name} may have forgotten votes, and sits out ${(waitsMs / 1_000).toFixed(1)} s more`;
  return `${member.name}: ${error === undefined ? 'was not asked' : messageOf(error)}`;
}
