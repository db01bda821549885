import { type Calls, messageOf, promised } from '../../../core/calls.js';
import type { Instant, Ports } from '../../../core/clock.js';
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
  readonly clock: NodeClock;
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
    this.clock = new NodeClock(context.ports);
    this.#context = context;
    this.#isTwin = isTwin;
    this.#answered = answered;
  }

  get name(): string {
    return this.node.name;
  }

  /** It gave no answer lately, and is skipped where a majority can be had without it. */
  get rests(): boolean {
    return this.#nowMs < this.#restsUntilMs;
  }

  /** How long it sits out its grace, by our clock: also if its own was stepped meanwhile. */
  get waitsMs(): number {
    return Math.max(0, this.#waitsUntilMs - this.#nowMs);
  }

  /**
   * One request within its deadline. Called back instead of awaited, as far as it goes: an uncontended lock spends more on
   * promises than on anything else.
   *
   * @throws whatever the node says, OutcomeUnknownError without an answer
   */
  call<T>(doing: string, ttlMs: number, send: () => Promise<T>, timeoutMs = this.#timeoutMs(ttlMs)): Promise<T> {
    const { calls, inFlight, ports } = this.#context;
    const sentAt = ports.now();
    const sentMs = sentAt.monotonicMs;
    inFlight.add();
    return new Promise((resolve, reject) => {
      const answer = this.#noting(send, sentMs);
      const attempt = (from: Instant) => {
        calls.within(
          timeoutMs,
          from,
          doing,
          () => answer,
          answered,
          (error) => failed(error, from),
        );
      };
      const answered = (value: T) => {
        this.#asked = true;
        inFlight.settled();
        resolve(value);
      };
      const failed = (error: unknown, from: Instant) => {
        if (this.#heldUp(error, from.monotonicMs, sentMs, timeoutMs, ttlMs)) return attempt(ports.now());
        this.#asked = true;
        inFlight.settled();
        // What was asked after it has been answered: the reply was lost, and the node is there.
        if (!isOurs(error) && sentMs >= this.#answeredMs) this.#silent(error);
        reject(error);
      };
      attempt(sentAt);
    });
  }

  /** The same for requests that only a node may answer that was joined. @throws NotVotingError if it says nothing that counts */
  voting<T extends Standing>(doing: string, ttlMs: number, send: (incarnation: string) => Promise<T>): Promise<T> {
    return this.call(doing, ttlMs, () => this.#joined(send, 1));
  }

  /** A deadline that fired late says that this process was busy or stood still: the answer may be there, unread. */
  #heldUp(error: unknown, fromMs: number, sentMs: number, timeoutMs: number, ttlMs: number): boolean {
    const nowMs = this.#nowMs;
    const isLate = nowMs - fromMs > timeoutMs * (1 + stallRatio);
    const isOver = fromMs > sentMs && nowMs - sentMs >= patienceMs(this.#context.settings, ttlMs);
    return isLate && !isOver && error instanceof OutcomeUnknownError;
  }

  #joined<T extends Standing>(send: (incarnation: string) => Promise<T>, tries: number): Promise<T> {
    const { incarnation } = this;
    if (incarnation === undefined) return this.#join().then(() => this.#sendAs(this.incarnation ?? '', send, tries));
    return this.#sendAs(incarnation, send, tries);
  }

  #sendAs<T extends Standing>(incarnation: string, send: (incarnation: string) => Promise<T>, tries: number): Promise<T> {
    const twin = this.#isTwin(this);
    if (twin !== undefined) {
      return Promise.reject(new NotVotingError(`it is the same server as ${twin.name}: give each node a server of its own`));
    }
    const sentMs = this.#nowMs;
    return send(incarnation).then((reply) => {
      this.#heard(reply, sentMs);
      if (reply.state === 'votes' && this.waitsMs > 0) return { ...reply, state: 'waits' };
      if (reply.state !== 'stranger') return reply;
      if (this.incarnation === incarnation) this.incarnation = undefined;
      if (tries > 1) throw new NotVotingError('it was restarted again and again: see its log');
      return this.#joined(send, tries + 1);
    });
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
    this.clock.heard(standing.nowUs, sentMs);
    // What has begun is not shortened by a step of its clock.
    if (standing.state === 'waits') this.#waitsUntilMs = Math.max(this.#waitsUntilMs, this.#nowMs + standing.votesInMs);
  }

  /** Also an answer that comes too late shows that it is there. */
  #noting<T>(send: () => Promise<T>, sentMs: number): Promise<T> {
    return promised(send).then((answer) => {
      this.#answeredMs = Math.max(this.#answeredMs, sentMs);
      this.#silences = 0;
      this.#restsUntilMs = Number.NEGATIVE_INFINITY;
      this.lastError = undefined;
      this.#answered(this);
      return answer;
    });
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
