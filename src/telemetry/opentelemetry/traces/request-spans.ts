import { type Attributes, type Context, type Link, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Metadata, Release } from '../../../core/backend.js';
import type { LeaseLostError } from '../../../core/errors.js';
import type { FailedRenewal, NoTurn, Notes, RequestTrace, TracedTurn } from '../../../core/tracer.js';
import { LazyContext } from './lazy-context.js';
import type { Begun, Making } from './making.js';
import { Moments } from './moments.js';
import { Steps } from './steps.js';
import { linksTo, noteOf } from './traceparent.js';

/** Endings that are no fault of anybody: the caller has said that it may end like this. */
const expected: ReadonlySet<NoTurn> = new Set(['aborted', 'closed']);

/**
 * The spans of one request: `lock`, and below it `lock wait`, `lock hold` with `lock renewal failed`, and `lock release`. Only the first
 * is begun at its time; what happens afterwards is written down, and becomes spans in the next pause, or when somebody looks.
 */
export class RequestSpans implements RequestTrace {
  readonly note: Metadata | undefined;
  readonly #making: Making;
  readonly #begun: Begun;
  readonly #whole: Span;
  readonly #how: 'waited' | 'stole';
  readonly #moments = new Moments();
  readonly #startedMs = this.#moments.now;
  readonly #steps: Steps;
  #hold: Span | undefined;
  #heldFromMs = this.#startedMs;
  #release: Span | undefined;
  #context: Context | undefined;

  constructor(making: Making, begun: Begun, how: 'waited' | 'stole') {
    this.#making = making;
    this.#begun = begun;
    this.#whole = begun.whole;
    this.#steps = new Steps(begun.outer);
    this.#how = how;
    this.note = noteOf(begun.whole);
  }

  failed(because: NoTurn, reason: unknown, behind: Notes): void {
    const nowMs = this.#moments.now;
    this.#waited(behind, nowMs);
    this.#whole.setAttribute('holdfast.outcome', because);
    if (!expected.has(because)) fail(this.#whole, reason, nowMs);
    this.#whole.end(nowMs);
  }

  notAvailable(behind: Notes): void {
    this.#waited(behind, this.#moments.now);
    this.#whole.setAttribute('holdfast.outcome', 'not-available');
  }

  granted(turn: TracedTurn): void {
    const atMs = this.#moments.now;
    this.#steps.later(() => this.#begin(turn, atMs));
    this.#context = new LazyContext(() => {
      // In the callback, and no trouble of its.
      this.#steps.catchUp();
      return this.#making.carrying(this.#inHold(), this.#begun.lockId, turn.leaseGeneration, turn.fence);
    });
  }

  handedOut(lease: object): void {
    this.#making.handOut(lease, this.#inside);
  }

  run<T>(lease: object | null, work: () => T): T {
    return this.#making.run(lease, this.#inside, work);
  }

  renewalFailed(failure: FailedRenewal): void {
    const atMs = this.#moments.now;
    this.#steps.later(() => this.#failedToRenew(failure, atMs));
  }

  lost(error: LeaseLostError): void {
    const atMs = this.#moments.now;
    this.#steps.later(() => this.#lose(error, atMs));
    this.#steps.now();
  }

  ended(): void {
    const atMs = this.#moments.now;
    this.#steps.later(() => this.#hold?.end(atMs));
  }

  releasing(): void {
    const atMs = this.#moments.now;
    this.#steps.later(() => {
      this.#release = this.#start('lock release', atMs);
    });
  }

  over(outcome: Release | 'unknown' | undefined): void {
    const nowMs = this.#moments.now;
    this.#steps.later(() => this.#finish(outcome, nowMs));
    // Whoever hears of the end may shut the SDK down.
    this.#steps.now();
  }

  /** What the callback runs in. */
  get #inside(): Context {
    return this.#context ?? this.#begun.inner;
  }

  /** The turn begins, and with it ends the wait. */
  #begin({ fence, leaseGeneration, waitedMs, behind }: TracedTurn, atMs: number): void {
    const links = this.#waited(behind, atMs);
    const [fencingToken, generation] = [String(fence), String(leaseGeneration)];
    this.#whole.setAttributes({
      'holdfast.fencing_token': fencingToken,
      'holdfast.lease_generation': generation,
      'holdfast.outcome': 'granted',
      'holdfast.waited_ms': waitedMs,
    });
    const attributes = { 'holdfast.fencing_token': fencingToken, 'holdfast.lease_generation': generation };
    this.#hold = this.#start('lock hold', atMs, attributes, links);
    this.#heldFromMs = atMs;
  }

  #failedToRenew({ error, tookMs, remainingMs }: FailedRenewal, atMs: number): void {
    const attributes = { 'holdfast.remaining_ms': remainingMs };
    // A clock that was stepped, or a machine that slept, makes `tookMs` longer than the hold is old.
    const sentMs = Math.max(this.#heldFromMs, atMs - tookMs);
    const span = this.#start('lock renewal failed', sentMs, attributes, [], this.#inHold());
    fail(span, error, atMs);
    span.end(atMs);
  }

  #lose(error: LeaseLostError, atMs: number): void {
    for (const span of [this.#hold, this.#whole]) {
      span?.setAttribute('holdfast.loss', error.loss);
      if (span !== undefined) fail(span, error, atMs);
    }
    this.#hold?.end(atMs);
  }

  #finish(outcome: Release | 'unknown' | undefined, nowMs: number): void {
    if (outcome !== undefined) {
      for (const span of [this.#release, this.#whole]) span?.setAttribute('holdfast.release', outcome);
    }
    if (outcome === 'unknown') this.#release?.setStatus({ code: SpanStatusCode.ERROR, message: 'the store did not answer' });
    this.#release?.end(nowMs);
    this.#whole.end(nowMs);
  }

  #inHold(): Context {
    return this.#hold === undefined ? this.#begun.inner : trace.setSpan(this.#begun.outer, this.#hold);
  }

  /** @param attributes to which the name is added: they are not copied, as there are three of these for each request */
  #start(name: string, startTime: number, attributes: Attributes = {}, links: Link[] = [], parent = this.#begun.inner): Span {
    attributes['holdfast.lock_id'] = this.#begun.lockId;
    return this.#making.tracer.startSpan(name, { startTime, attributes, links }, parent);
  }

  #waited(behind: Notes, endMs: number) {
    const links = linksTo(behind, this.#how);
    this.#start('lock wait', this.#startedMs, {}, links).end(endMs);
    return links;
  }
}

function fail(span: Span, error: unknown, atMs: number): void {
  const exception = error instanceof Error ? error : String(error);
  span.recordException(exception, atMs);
  span.setStatus({ code: SpanStatusCode.ERROR, message: typeof exception === 'string' ? exception : exception.message });
}
