import type { Ask, Grant, Metadata, Mode, Refusal } from './backend.js';
import { backoffMs } from './backoff.js';
import { callTimeoutMs, isPermanent, withDeadline } from './calls.js';
import { elapsedMs, type Instant, remainingMs } from './clock.js';
import { BackendUnavailableError, HoldfastError } from './errors.js';
import { abandonInBackground, type StoreContext } from './giving-back.js';
import { deadlineFor } from './hold.js';
import { limits } from './limits.js';
import type { LockName } from './name.js';

/** What is asked for. */
export interface Want {
  readonly name: LockName;
  readonly mode: Mode;
  readonly ttlMs: number;
  readonly metadata: Metadata;
}

export interface AskerOptions {
  /** One try, no place in the queue. */
  readonly once: boolean;
  /** How many callers would be served by a grant that came now. */
  readonly fencesWanted: () => number;
  readonly onRefused?: (refusal: Refusal, ask: Ask) => void;
  /** Starts to listen for wake-ups; false if it listened already. */
  readonly listen?: () => boolean;
  /** How the ask is sent; by default `backend.acquire`. */
  readonly send?: (ask: Ask) => Promise<Grant | Refusal>;
}

export type Answer =
  | {
      readonly outcome: 'granted';
      readonly grant: Grant;
      readonly sentAt: Instant;
      readonly ask: Ask;
      readonly uncertain: boolean;
    }
  | { readonly outcome: 'refused'; readonly refusal: Refusal }
  | { readonly outcome: 'given-up' };

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
  /** Whether the first refusal has been reported as an event. */
  reported = false;
  readonly #context: StoreContext;
  readonly #options: AskerOptions;
  #owner: string;
  /** The store may know this owner: it was sent with a place to take, or a call ended without an answer. */
  #traces = false;
  #uncertain = false;
  #calling = false;
  #givenUp = false;
  #woken = false;
  #endPause: (() => void) | undefined;
  #failures = 0;
  #failingSince: Instant | undefined;
  #refusals = 0;

  constructor(context: StoreContext, want: Want, options: AskerOptions) {
    this.#context = context;
    this.want = want;
    this.#options = options;
    this.#owner = context.ports.randomOwner();
  }

  /** Something may have changed in the store. A wake-up during a call is not lost: the next pause ends at once. */
  wake(): void {
    this.#woken = true;
    this.#endPause?.();
  }

  get givenUp(): boolean {
    return this.#givenUp;
  }

  /** Nobody wants it any more. */
  giveUp(): void {
    if (this.#givenUp) return;
    this.#givenUp = true;
    // Whatever is on its way may take effect after we have left.
    if (this.#calling) this.#traces = true;
    this.#abandon();
    this.#endPause?.();
  }

  /** @throws the store's error, if it is permanent, lasted for `unavailableMs`, or came at the only try */
  async run(): Promise<Answer> {
    for (;;) {
      if (this.#givenUp) return { outcome: 'given-up' };
      this.#woken = false;
      const ask = this.#ask();
      const sentAt = this.#context.ports.now();
      let answer: Grant | Refusal;
      try {
        this.#calling = true;
        answer = await this.#send(ask);
        this.#calling = false;
      } catch (error) {
        this.#calling = false;
        await this.#failed(error, sentAt);
        continue;
      }
      this.#failures = 0;
      this.#failingSince = undefined;
      this.failure = undefined;
      const result = answer.outcome === 'granted' ? this.#granted(answer, ask, sentAt) : await this.#refused(answer, ask);
      if (result !== undefined) return result;
      if (answer.outcome === 'granted') await this.#failed(this.#startOver(answer, ask, sentAt), sentAt);
    }
  }

  #ask(): Ask {
    const { traits } = this.#context.backend;
    const fences = Math.max(1, Math.min(this.#options.fencesWanted(), traits.fencesPerGrant, limits.batchMax));
    const { name, mode, ttlMs, metadata } = this.want;
    const enqueue = !this.#options.once && traits.queue;
    // Written out: a spread here was the most expensive line of an uncontended request.
    return { name, owner: this.#owner, mode, ttlMs, fences, enqueue, node: this.#context.node, metadata };
  }

  #send(ask: Ask): Promise<Grant | Refusal> {
    const { backend, ports } = this.#context;
    if (ask.enqueue) this.#traces = true;
    const send = this.#options.send ?? ((it: Ask) => backend.acquire(it));
    const timeoutMs = callTimeoutMs(this.#context.callTimeoutMs, ask.ttlMs);
    return withDeadline(ports, timeoutMs, `asking for "${ask.name.text}"`, () => send(ask));
  }

  /** Undefined: the grant came too late to be used. */
  #granted(grant: Grant, ask: Ask, sentAt: Instant): Answer | undefined {
    this.#traces = true;
    if (this.#givenUp) {
      this.#abandon();
      return { outcome: 'given-up' };
    }
    if (remainingMs(deadlineFor(sentAt, grant.ttlMs), this.#context.ports.now()) <= 0) return undefined;
    return { outcome: 'granted', grant, sentAt, ask, uncertain: this.#uncertain };
  }

  async #refused(refusal: Refusal, ask: Ask): Promise<Answer | undefined> {
    if (this.#givenUp) {
      this.#abandon();
      return { outcome: 'given-up' };
    }
    if (refusal.because === 'abandoned') {
      // Somebody revoked what this owner had before the answer to its first ask arrived.
      this.#renewOwner();
      return this.#pause(limits.retryMsMin);
    }
    if (this.#options.once) return { outcome: 'refused', refusal };
    this.#options.onRefused?.(refusal, ask);
    if (this.#options.listen?.() === true) return undefined;
    return this.#pause(this.#untilNextTryMs(refusal));
  }

  #untilNextTryMs(refusal: Refusal): number {
    const { traits } = this.#context.backend;
    this.#refusals += 1;
    const pollMs = traits.queue
      ? traits.pollMs
      : backoffMs(this.#refusals, limits.backoffMsMin, traits.pollMs, this.#context.ports.random());
    return Math.max(limits.retryMsMin, Math.min(pollMs, refusal.retryInMs ?? Number.POSITIVE_INFINITY));
  }

  /** Waits before the next try, or throws if there is to be none. */
  async #failed(error: unknown, sentAt: Instant): Promise<void> {
    const { ports, unavailableMs } = this.#context;
    const refusedOutright = error instanceof HoldfastError && error.code === 'BACKEND_UNAVAILABLE';
    if (!refusedOutright) {
      this.#traces = true;
      this.#uncertain = true;
    }
    this.failure = error;
    if (this.#givenUp) return this.#abandon();
    this.#failures += 1;
    this.#failingSince ??= sentAt;
    const tooLong = elapsedMs(this.#failingSince, ports.now()) >= unavailableMs;
    if (this.#options.once || tooLong || isPermanent(error)) {
      this.giveUp();
      throw asHoldfastError(error, this.want.name.text);
    }
    await this.#pause(backoffMs(this.#failures, limits.backoffMsMin, limits.backoffMsMax, ports.random()));
  }

  #pause(delayMs: number): Promise<undefined> {
    if (this.#woken || this.#givenUp) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const timer = this.#context.ports.timer(delayMs, () => this.#endPause?.());
      this.#endPause = () => {
        this.#endPause = undefined;
        timer.cancel();
        resolve(undefined);
      };
    });
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
    this.#owner = this.#context.ports.randomOwner();
    this.#uncertain = false;
  }

  #abandon(): void {
    if (!this.#traces) return;
    this.#traces = false;
    abandonInBackground(this.#context, this.#ask());
  }
}

function asHoldfastError(error: unknown, lock: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new BackendUnavailableError(`the store failed while "${lock}" was asked for: ${detail}`, { lock, cause: error });
}
