import type { Mode, Release } from './backend.js';
import type { Instant, Ports, Timer } from './clock.js';
import { ClosedError, type HoldfastError, LeaseLostError, type Loss } from './errors.js';
import type { Emitter, LiveTurn, LockEvent } from './events.js';
import type { LiveHold } from './live-hold.js';
import type { Settings } from './options.js';

/** What a callback receives: the `Lock` of the Web Locks API, and more. */
export interface Lease {
  readonly name: string;
  readonly mode: Mode;
  /**
   * The fencing token: larger than every fence given out for this name before. Hand it to whatever the work writes to.
   *
   * Reading it reads the clock first, so code that resumes after a pause cannot pick up a fence it no longer has.
   * @throws LeaseLostError if the lease is over; ClosedError if it was released
   */
  readonly fence: bigint;
  /** Aborted, with a `LeaseLostError` as its reason, no later than the lease's deadline. Reading it reads the clock first. */
  readonly signal: AbortSignal;
  /** Time left until the local deadline if no further renewal succeeds; 0 when the lease is over. */
  readonly remainingMs: number;
  readonly ttlMs: number;
  /** Epoch milliseconds by this process's wall clock, for people. */
  readonly acquiredAt: number;
  /** @throws LeaseLostError if the lease is over; ClosedError if it was released */
  assertHeld(): void;
}

export type ReleaseOutcome = Release | 'unknown';

/** A lease taken by `acquire`: it lasts until it is released. */
export interface HeldLease extends Lease, AsyncDisposable {
  /**
   * Gives the lock back. Releasing a lost lease is a result, never a throw; a second call answers like the first.
   * `unknown`: the store did not answer; it is tried again in the background until the TTL is over.
   *
   * `absent` or `not-owner` is the answer also where the lease was believed valid until now. It may mean that the store lost
   * it, and that the last stretch of the work was not protected. It is no rejection, because it is no proof: client libraries
   * send a command again when its reply was lost, and the second copy finds nothing. Where the difference matters, the sink
   * has to compare fences. A lease of `request` shows the same outcome in its `released` event.
   */
  release(): Promise<ReleaseOutcome>;
}

const lossSentences: Record<Loss, string> = {
  expired: 'its deadline passed before a renewal succeeded',
  stolen: 'another request stole it',
  revoked: 'it was revoked',
  forgotten: 'the store no longer knows it: it lost data, or evicted or deleted the record',
  overdue: 'the work ran longer than maxHoldMs',
};

/** Where a turn belongs. */
export interface TurnHost {
  readonly ports: Ports;
  readonly emitter: Emitter;
  /** Told once, before anyone else hears of the loss. */
  turnLost(turn: Turn, error: LeaseLostError): void;
  /** The work runs longer than `maxHoldMs`. */
  turnOverdue(turn: Turn): void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What a turn needs to know of its caller. */
export interface Waited {
  readonly settings: Settings;
  readonly enqueuedAt: Instant;
}

/** One caller's turn on a hold. `request` shows it as `Lease`; `acquire` wraps it so that it can be released. */
export class Turn implements Lease, LiveTurn {
  readonly mintedFence: bigint;
  readonly waitedMs: number;
  /** What the store said when the hold was given back after this turn; a turn in the middle of a batch has none. */
  releaseOutcome: ReleaseOutcome | undefined;
  readonly #hold: LiveHold;
  readonly #host: TurnHost;
  readonly #startedAt: Instant;
  readonly #settings: Settings;
  #limit: Timer | undefined;
  #expectation: Timer | undefined;
  #controller: AbortController | undefined;
  #lost: LeaseLostError | undefined;
  #released = false;

  constructor(hold: LiveHold, fence: bigint, { settings, enqueuedAt }: Waited, host: TurnHost, now: Instant) {
    this.#hold = hold;
    this.mintedFence = fence;
    this.#host = host;
    this.#startedAt = now;
    this.#settings = settings;
    this.waitedMs = now.monotonicMs - enqueuedAt.monotonicMs;
    const { maxHoldMs, expectedHoldMs } = settings;
    if (maxHoldMs !== undefined) this.#limit = host.ports.timer(maxHoldMs, () => host.turnOverdue(this));
    if (expectedHoldMs !== undefined) {
      this.#expectation = host.ports.timer(expectedHoldMs, () => host.emitter.emit('overdue', () => this.event(), this));
    }
  }

  get name(): string {
    return this.#hold.held.name.text;
  }

  get mode(): Mode {
    return this.#hold.held.mode;
  }

  get ttlMs(): number {
    return this.#hold.held.ttlMs;
  }

  get acquiredAt(): number {
    return this.#startedAt.wallMs;
  }

  get fence(): bigint {
    this.assertHeld();
    return this.mintedFence;
  }

  get signal(): AbortSignal {
    this.#hold.tick();
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#over) this.#controller.abort(this.#reason());
    }
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return !this.#over && this.#hold.tick() ? this.#hold.remainingMs(this.#host.ports.now()) : 0;
  }

  get loss(): Loss | undefined {
    return this.#lost?.loss;
  }

  get expectedHoldMs(): number | undefined {
    return this.#settings.expectedHoldMs;
  }

  get holdKey(): object {
    return this.#hold.holdKey;
  }

  get heldMs(): number {
    return this.#host.ports.now().monotonicMs - this.#startedAt.monotonicMs;
  }

  assertHeld(): void {
    this.#hold.tick();
    if (this.#over) throw this.#reason();
  }

  /** The hold was lost: everyone who holds this lease hears of it now. */
  lose(loss: Loss, reason?: string): void {
    if (this.#over) return;
    const why = reason === undefined ? lossSentences[loss] : `${lossSentences[loss]} (${reason})`;
    const message = `the lease on "${this.name}" is lost (${loss}): ${why}; stop writing and let the next holder work`;
    this.#lost = new LeaseLostError(loss, message, { lock: this.name, reason });
    this.#end();
    this.#host.turnLost(this, this.#lost);
    this.#host.emitter.emit('lost', () => ({ ...this.event(), loss, ...(reason === undefined ? {} : { reason }) }), this);
  }

  /** The work has ended, without a loss or after one: the fence is gone. */
  finish(): void {
    if (this.#over) return;
    this.#released = true;
    this.#end();
  }

  event(): LockEvent {
    const { expectedHoldMs } = this.#settings;
    // The event of the hold, made the turn's own: a copy by spreading costs more than all else of it.
    const event: Mutable<LockEvent> = this.#hold.event();
    event.fence = this.mintedFence;
    event.acquiredAt = this.acquiredAt;
    event.waitedMs = this.waitedMs;
    event.heldMs = this.heldMs;
    if (expectedHoldMs !== undefined) event.expectedHoldMs = expectedHoldMs;
    return event;
  }

  get #over(): boolean {
    return this.#released || this.#lost !== undefined;
  }

  /** Made only when somebody asks: an error with its stack costs more than the whole turn. */
  #reason(): HoldfastError {
    return this.#lost ?? new ClosedError(`the lease on "${this.name}" was released: ask for a new one`, { lock: this.name });
  }

  #end(): void {
    this.#limit?.cancel();
    this.#expectation?.cancel();
    this.#controller?.abort(this.#reason());
  }
}
