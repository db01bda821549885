import { Bag, type Bagged } from './bag.js';
import type { Instant, Ports, Timer } from './clock.js';
import { detached } from './detached.js';
import { BackendUnavailableError, HoldfastError, OutcomeUnknownError } from './errors.js';
import type { Emitter, StoreCallEvent, StoreOp } from './events.js';
import { limits } from './limits.js';

/** A call that has not ended. */
export interface Pending extends Bagged {
  readonly dueMs: number;
  readonly timeoutMs: number;
  readonly doing: string;
  readonly failed: (error: unknown) => void;
}

/** Who is told of calls that have ended. */
export interface CallsTold {
  readonly emitter: Emitter;
  readonly node: string;
}

/**
 * Every call of an instance to its store, with one timer for all their deadlines: calls end far more often than they time
 * out, and a timer of its own would be a good part of the price of an uncontended lock.
 */
export class Calls {
  readonly #ports: Ports;
  readonly #told: CallsTold | undefined;
  readonly #pending = new Bag<Pending>();
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(ports: Ports, told?: CallsTold) {
    this.#ports = ports;
    this.#told = told;
  }

  /**
   * Waits for a call, but not beyond its deadline, whatever the client library does (invariant 11): exactly one of the two
   * functions is called, never at once. They must not throw. An answer that comes too late is ignored; instead
   * there is an `OutcomeUnknownError`.
   *
   * @param sentAt a reading taken just before
   * @param doing for the message: `releasing`
   * @param op for the event `store-call`; without it there is none
   */
  within<T>(
    timeoutMs: number,
    sentAt: Instant,
    doing: string,
    call: () => Promise<T>,
    answered: (value: T) => void,
    failed: (error: unknown) => void,
    op?: StoreOp,
  ): void {
    // Asked first: with no listener a call costs nothing more.
    const told = op !== undefined && this.#told?.emitter.wanted('store-call') === true ? op : undefined;
    const failing = told === undefined ? failed : this.#telling(told, sentAt, failed);
    const pending = this.expect(timeoutMs, sentAt, doing, failing);
    promised(call).then(
      (value) => {
        if (!this.settle(pending)) return;
        if (told !== undefined) this.#tell(told, sentAt, 'answered');
        answered(value);
      },
      (error: unknown) => {
        if (this.settle(pending)) failing(error);
      },
    );
  }

  /** The deadline alone, of a call whose answer comes by other ways: who has it must `settle`. */
  expect(timeoutMs: number, sentAt: Instant, doing: string, failed: (error: unknown) => void): Pending {
    const pending: Pending = { dueMs: sentAt.monotonicMs + timeoutMs, timeoutMs, doing, failed, bagIndex: -1 };
    if (this.#pending.size === 0) this.#timer?.keepAlive?.(true);
    this.#pending.add(pending);
    if (pending.dueMs < this.#timerAtMs) this.#arm(pending.dueMs);
    return pending;
  }

  /** False if its deadline was first. */
  settle(pending: Pending): boolean {
    const found = this.#pending.remove(pending);
    if (this.#pending.size === 0) this.#rest();
    return found;
  }

  /** The same as a promise. @throws OutcomeUnknownError after `timeoutMs`; otherwise what the call throws */
  promise<T>(timeoutMs: number, doing: string, call: () => Promise<T>, op?: StoreOp): Promise<T> {
    return new Promise((resolve, reject) => this.within(timeoutMs, this.#ports.now(), doing, call, resolve, reject, op));
  }

  /** Nobody waits for any of them any more, and no timer is left. What has not settled never will. */
  close(): void {
    this.#pending.takeAll();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #telling(op: StoreOp, sentAt: Instant, failed: (error: unknown) => void): (error: unknown) => void {
    return (error) => {
      this.#tell(op, sentAt, error instanceof OutcomeUnknownError ? 'unknown' : 'failed');
      failed(error);
    };
  }

  #tell(op: StoreOp, sentAt: Instant, outcome: StoreCallEvent['outcome']): void {
    if (this.#told === undefined) return;
    const { emitter, node } = this.#told;
    const tookMs = this.#ports.now().monotonicMs - sentAt.monotonicMs;
    emitter.emit('store-call', () => ({ node, op, outcome, tookMs }));
  }

  /** Nothing is under way: no timer keeps the process alive. */
  #rest(): void {
    if (this.#timer === undefined) return;
    // Left in place where possible: it serves the next call, which would else arm another one.
    if (this.#timer.keepAlive !== undefined) return this.#timer.keepAlive(false);
    this.#timer.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #arm(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    const delayMs = Math.max(0, Math.ceil(atMs - this.#ports.now().monotonicMs));
    this.#timer = detached(() => this.#ports.timer(delayMs, () => this.#fire()));
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#ports.now().monotonicMs;
    const due = [...this.#pending].filter(({ dueMs }) => dueMs <= nowMs);
    for (const pending of due) this.#pending.remove(pending);
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#pending) nextMs = Math.min(nextMs, dueMs);
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
    for (const { failed, doing, timeoutMs } of due) failed(timedOut(doing, timeoutMs));
  }
}

/** A backend that throws instead of rejecting, or answers without a promise, is treated alike. */
export function promised<T>(call: () => Promise<T>): Promise<T> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    return Promise.reject(error);
  }
}

function timedOut(doing: string, timeoutMs: number): OutcomeUnknownError {
  return new OutcomeUnknownError(`${doing} got no answer within ${Math.round(timeoutMs)} ms: check that the store is reachable`);
}

/** No single call may use up more than a share of the TTL that depends on it. */
export function callTimeoutMs(configuredMs: number, ttlMs: number, ratioMax: number = limits.callTimeoutTtlRatioMax): number {
  return Math.max(limits.callTimeoutMsMin, Math.min(configuredMs, ttlMs * ratioMax));
}

/** Whether asking again is pointless. Anything that a client library throws may pass by itself. */
export function isPermanent(error: unknown): boolean {
  return error instanceof HoldfastError && error.permanent;
}

/** What a client library throws becomes one of our errors. `doing`: what failed, e.g. `listing`. */
export function asHoldfastError(error: unknown, doing: string, lock?: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const details = { cause: error, ...(lock === undefined ? {} : { lock }) };
  return new BackendUnavailableError(`the store failed while ${doing}: ${messageOf(error)}`, details);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
