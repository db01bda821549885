import { type Calls, messageOf } from '../../../core/calls.js';
import type { Ports } from '../../../core/clock.js';
import { BackendUnavailableError, HoldfastError, OutcomeUnknownError } from '../../../core/errors.js';
import type { Node, Standing } from '../node.js';
import { nodeTimeoutMs, type ProtocolSettings, patienceMs } from '../options.js';
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
  /** Requests that are out, each until its answer or deadline. */
  readonly inFlight: Set<Promise<unknown>>;
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

  /** One request within its deadline. @throws whatever the node says, OutcomeUnknownError without an answer */
  async call<T>(doing: string, ttlMs: number, send: () => Promise<T>, timeoutMs = this.#timeoutMs(ttlMs)): Promise<T> {
    const { inFlight } = this.#context;
    const sentMs = this.#nowMs;
    const answer = this.#within(timeoutMs, ttlMs, doing, this.#noting(send, sentMs));
    inFlight.add(answer);
    try {
      return await answer;
    } catch (error) {
      // What was asked after it has been answered: the reply was lost, and the node is there.
      if (!isOurs(error) && sentMs >= this.#answeredMs) this.#silent(error);
      throw error;
    } finally {
      this.#asked = true;
      inFlight.delete(answer);
    }
  }

  /** The same for requests that only a node may answer that was joined. @throws NotVotingError if it says nothing that counts */
  voting<T extends Standing>(doing: string, ttlMs: number, send: (incarnation: string) => Promise<T>): Promise<T> {
    return this.call(doing, ttlMs, () => this.#joined(send));
  }

  /** A deadline that fired late says that this process was busy or stood still: the answer may be there, unread. */
  async #within<T>(timeoutMs: number, ttlMs: number, doing: string, answer: Promise<T>): Promise<T> {
    const { calls, settings } = this.#context;
    const sinceMs = this.#nowMs;
    for (;;) {
      const sentMs = this.#nowMs;
      try {
        return await calls.promise(timeoutMs, doing, () => answer);
      } catch (error) {
        const isLate = this.#nowMs - sentMs > timeoutMs * (1 + stallRatio);
        const isOver = sentMs > sinceMs && this.#nowMs - sinceMs >= patienceMs(settings, ttlMs);
        if (!isLate || isOver || !(error instanceof OutcomeUnknownError)) throw error;
      }
    }
  }

  async #joined<T extends Standing>(send: (incarnation: string) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const incarnation = this.incarnation ?? (await this.#join());
      const twin = this.#isTwin(this);
      if (twin !== undefined)
        throw new NotVotingError(`it is the same server as ${twin.name}: give each node a server of its own`);
      const sentMs = this.#nowMs;
      const reply = await send(incarnation);
      this.#heard(reply, sentMs);
      if (reply.state === 'votes' && this.waitsMs > 0) return { ...reply, state: 'waits' };
      if (reply.state !== 'stranger') return reply;
      if (this.incarnation === incarnation) this.incarnation = undefined;
      if (tries > 1) throw new NotVotingError('it was restarted again and again: see its log');
    }
  }

  /** One at a time: all that wait for it go on with it. */
  async #join(): Promise<string> {
    // With a deadline of its own: whoever waits for it would else wait behind one that never settles, for ever.
    this.#joining ??= this.#context.calls
      .promise(firstTimeoutMs, 'joining', () => this.#joinNow())
      .finally(() => {
        this.#joining = undefined;
      });
    await this.#joining;
    return this.incarnation ?? '';
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
  async #noting<T>(send: () => Promise<T>, sentMs: number): Promise<T> {
    const answer = await send();
    this.#answeredMs = Math.max(this.#answeredMs, sentMs);
    this.#silences = 0;
    this.#restsUntilMs = Number.NEGATIVE_INFINITY;
    this.lastError = undefined;
    this.#answered(this);
    return answer;
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
