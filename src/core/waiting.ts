import type { Ask, Grant, LockRecord, Metadata, Mode, Refusal } from './backend.js';
import { backoffMs } from './backoff.js';
import { asHoldfastError, callTimeoutMs, isPermanent } from './calls.js';
import { elapsedMs, type Instant, remainingMs } from './clock.js';
import { BackendUnavailableError, HoldfastError } from './errors.js';
import { Footprint } from './footprint.js';
import { abandonInBackground, type StoreContext } from './giving-back.js';
import { deadlineFor } from './hold.js';
import { limits } from './limits.js';
import type { Granted } from './live-hold.js';
import type { LockName } from './name.js';
import { Pauses } from './pauses.js';

/** What is asked for. */
export interface Want {
  readonly name: LockName;
  readonly mode: Mode;
  readonly ttlMs: number;
  readonly metadata: Metadata;
  /** A grant of it serves one caller. */
  readonly alone?: boolean;
}

export interface AskerOptions {
  /** One try, no place in the queue. */
  readonly once: boolean;
  /** How many callers would be served by a grant that came now. */
  readonly fencesWanted: () => number;
  /** What is shown beside the hold, where that depends on who waits now; by default that of the want. */
  readonly metadata?: (() => Metadata) | undefined;
  readonly onRefused?: (refusal: Refusal, ask: Ask) => void;
  /** Starts to listen for wake-ups; false if it listened already. */
  readonly listen?: () => boolean;
  /** How the ask is sent; by default `backend.acquire`. */
  readonly send?: (ask: Ask) => Promise<Grant | Refusal>;
}

export type Answer =
  | ({ readonly outcome: 'granted' } & Granted)
  | { readonly outcome: 'refused'; readonly refusal: Refusal }
  | { readonly outcome: 'given-up' };

const leftAlone: Answer = { outcome: 'given-up' };

/**
 * The one waiting loop: asks, waits for a wake-up or the poll behind it, and asks again under the same owner until the
 * store says yes, the callers go away, or the store stays away for too long.
 *
 * Kept here: an ask that is given up is abandoned in the store (invariant 5); a grant whose deadline has passed when
 * its answer arrives is given back, not given out; listening starts before the second try, so nothing falls between;
 * and no pause is shorter than `limits.retryMsMin`, whatever the store advises.
 */
export class Asker {
  readonly want: Want;
  /** Why the last call failed, until one succeeds. */
  failure: unknown;
  /** Whether the store has said anything yet, if only that it failed. */
  heardOf = false;
  /** Whether the first refusal has been reported as an event. */
  reported = false;
  /** Who held it when the store last named anyone. */
  behind: readonly LockRecord[] | undefined;
  readonly #context: StoreContext;
  readonly #options: AskerOptions;
  readonly #pauses: Pauses;
  #footprint: Footprint;
  #answered!: (answer: Answer) => void;
  #gaveUp!: (error: HoldfastError) => void;
  #givenUp = false;
  #failures = 0;
  #failingSince: Instant | undefined;
  #refusals = 0;
  /** How many stood in front when the store last refused. */
  #ahead = 0;

  constructor(context: StoreContext, want: Want, options: AskerOptions) {
    this.#context = context;
    this.want = want;
    this.#options = options;
    this.#pauses = new Pauses(context.ports);
    this.#footprint = new Footprint(context.ports.randomOwner());
  }

  /** Something may have changed in the store. */
  wake(): void {
    this.#pauses.wake();
  }

  /** False if the store said that others come first. */
  get mayBeNext(): boolean {
    return this.#ahead === 0;
  }

  /** Nobody wants it any more. */
  giveUp(): void {
    if (this.#givenUp) return;
    this.#givenUp = true;
    this.#abandon();
    this.#pauses.end();
  }

  /**
   * Tells the answer, or a HoldfastError if the store's error is permanent, lasted for `unavailableMs`, or came at the only
   * try. One of the two functions is called, once, and never at once.
   */
  start(answered: (answer: Answer) => void, failed: (error: HoldfastError) => void): void {
    this.#answered = answered;
    this.#gaveUp = failed;
    this.#try();
  }

  /** Called back instead of awaited: an uncontended lock spends more on promises than on anything else. */
  #try(): void {
    if (this.#givenUp) return this.#answered(leftAlone);
    const { calls, ports } = this.#context;
    const ask = this.#ask();
    const sentAt = ports.now();
    this.#pauses.tried(sentAt.monotonicMs);
    this.#footprint.sent(ask.enqueue);
    const timeoutMs = callTimeoutMs(this.#context.callTimeoutMs, ask.ttlMs);
    calls.within(
      timeoutMs,
      sentAt,
      `asking for "${ask.name.text}"`,
      () => this.#send(ask),
      (answer) => this.#replied(answer, ask, sentAt),
      (error) => this.#failed(error, sentAt),
      this.#options.send === undefined ? 'acquire' : 'revoke',
    );
  }

  #replied(answer: Grant | Refusal, ask: Ask, sentAt: Instant): void {
    // A store's bug is a failure like any other: nobody knows what it did.
    if (!isWellFormed(answer)) return this.#failed(new Error('the store gave no legal answer'), sentAt);
    this.heardOf = true;
    this.#failures = 0;
    this.#failingSince = undefined;
    this.failure = undefined;
    if (answer.outcome === 'granted') this.#granted(answer, ask, sentAt);
    else this.#refused(answer, ask);
  }

  #tryAfter(pauseMs: number): void {
    void this.#pauses.pause(pauseMs).then(() => this.#try());
  }

  #ask(): Ask {
    const { traits } = this.#context.backend;
    const fences = Math.max(1, Math.min(this.#options.fencesWanted(), traits.fencesPerGrant));
    const { name, mode, ttlMs } = this.want;
    const metadata = this.#options.metadata === undefined ? this.want.metadata : this.#options.metadata();
    const enqueue = !this.#options.once && traits.queue;
    // Written out: a spread here was the most expensive line of an uncontended request.
    return { name, owner: this.#footprint.owner, mode, ttlMs, fences, enqueue, node: this.#context.node, metadata };
  }

  #send(ask: Ask): Promise<Grant | Refusal> {
    const { send } = this.#options;
    return send === undefined ? this.#context.backend.acquire(ask) : send(ask);
  }

  #granted(grant: Grant, ask: Ask, sentAt: Instant): void {
    this.#footprint.granted();
    if (this.#givenUp) return this.#leave();
    const late = remainingMs(deadlineFor(sentAt, grant.ttlMs), this.#context.ports.now()) <= 0;
    if (late) return this.#failed(this.#startOver(grant, ask, sentAt), sentAt);
    this.#answered({ outcome: 'granted', grant, sentAt, ask, uncertain: this.#footprint.uncertain, wanted: this.want.metadata });
  }

  #refused(refusal: Refusal, ask: Ask): void {
    this.#footprint.refused();
    this.#ahead = refusal.ahead;
    if (refusal.because === 'held') this.behind = refusal.holders;
    if (this.#givenUp) return this.#leave();
    if (refusal.because === 'abandoned') {
      // Somebody revoked what this owner had before the answer to its first ask arrived.
      this.#renewOwner();
      return this.#tryAfter(limits.retryMsMin);
    }
    if (this.#options.once) return this.#answered({ outcome: 'refused', refusal });
    this.#options.onRefused?.(refusal, ask);
    // A listener of the event may have given it up.
    if (this.#givenUp) return this.#answered(leftAlone);
    let justListening: boolean;
    try {
      justListening = this.#options.listen?.() === true;
    } catch (error) {
      // The contract forbids it: a bug of the backend, which no second try mends.
      this.giveUp();
      return this.#gaveUp(asHoldfastError(error, `listening for "${this.want.name.text}"`, this.want.name.text));
    }
    // What happened before listening began is found by asking again at once.
    if (justListening) this.#try();
    else this.#tryAfter(this.#untilNextTryMs(refusal));
  }

  /** Given up while the store was asked. */
  #leave(): void {
    this.#abandon();
    this.#answered(leftAlone);
  }

  #untilNextTryMs(refusal: Refusal): number {
    const { traits } = this.#context.backend;
    this.#refusals += 1;
    const pollMs = traits.queue
      ? traits.pollMs
      : backoffMs(this.#refusals, limits.backoffMsMin, traits.pollMs, this.#context.ports.random());
    return Math.max(limits.retryMsMin, Math.min(pollMs, refusal.retryInMs ?? Number.POSITIVE_INFINITY));
  }

  #failed(error: unknown, sentAt: Instant): void {
    const { ports, unavailableMs } = this.#context;
    this.#footprint.failed(error instanceof HoldfastError && error.code === 'BACKEND_UNAVAILABLE');
    this.heardOf = true;
    this.failure = error;
    if (this.#givenUp) return this.#leave();
    this.#failures += 1;
    this.#failingSince ??= sentAt;
    const tooLong = elapsedMs(this.#failingSince, ports.now()) >= unavailableMs;
    if (this.#options.once || tooLong || isPermanent(error)) {
      this.giveUp();
      return this.#gaveUp(asHoldfastError(error, `"${this.want.name.text}" was asked for`, this.want.name.text));
    }
    this.#tryAfter(backoffMs(this.#failures, limits.backoffMsMin, limits.backoffMsMax, ports.random()));
  }

  /** A grant that is over when it arrives is given back; the next try is another owner's. */
  #startOver(grant: Grant, ask: Ask, sentAt: Instant): BackendUnavailableError {
    const tookMs = Math.round(elapsedMs(sentAt, this.#context.ports.now()));
    const lock = ask.name.text;
    this.#renewOwner();
    return new BackendUnavailableError(
      `the store took ${tookMs} ms to grant "${lock}", longer than its TTL of ${grant.ttlMs} ms allows: use a longer ttlMs`,
      { lock },
    );
  }

  /** The old owner is of no use; leave nothing of it behind. */
  #renewOwner(): void {
    this.#abandon();
    this.#footprint = new Footprint(this.#context.ports.randomOwner());
  }

  #abandon(): void {
    const trace = this.#footprint.take();
    if (trace !== undefined) abandonInBackground(this.#context, this.#ask(), trace);
  }
}

function isWellFormed(answer: Grant | Refusal): boolean {
  if (answer?.outcome !== 'granted') return answer?.outcome === 'refused';
  const { first, last } = answer.fences ?? {};
  return answer.ttlMs > 0 && typeof first === 'bigint' && typeof last === 'bigint' && first <= last;
}
