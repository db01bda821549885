import { channel } from 'node:diagnostics_channel';
import type { Mode } from './backend.js';
import type { Ports } from './clock.js';
import type { Loss } from './errors.js';

/** What every event carries. Fields are present as they apply. */
export interface LockEvent {
  readonly name: string;
  readonly mode: Mode;
  /** Digest; the owner itself is a secret. */
  readonly owner?: string;
  readonly node: string;
  readonly fence?: bigint;
  readonly ttlMs?: number;
  /** Epoch milliseconds by this process's wall clock. */
  readonly acquiredAt?: number;
  readonly renewalCount?: number;
  readonly waitedMs?: number;
  readonly heldMs?: number;
}

/**
 * Every `granted` is followed by exactly one `released` or `lost` of the same fence: `lost` as soon as it is lost, else
 * `released` when the turn is over.
 */
export interface LockEvents {
  /** A caller's turn began. */
  readonly granted: LockEvent;
  /** The store refused: the ask waits. */
  readonly waiting: LockEvent & { readonly ahead: number };
  /** A path waits for a name that it holds itself, or two paths take names in contradicting orders. */
  readonly 'deadlock-suspected': LockEvent & {
    readonly because: 'reentry' | 'order';
    /** Where this request was made. */
    readonly stack: string;
    /** Where the other side was made: the holding request, or the one that took the names the other way round. */
    readonly otherStack: string;
    readonly otherName: string;
  };
  readonly renewed: LockEvent & { readonly remainingMs: number };
  /** One renewal had no clear answer; it is sent again. */
  readonly 'renewal-failed': LockEvent & { readonly error: unknown; readonly remainingMs: number };
  /** Renewals have failed for so long that less than one renewal period is left. */
  readonly endangered: LockEvent & { readonly remainingMs: number };
  /** `reason`: what was said when it was revoked or stolen, where the store told. */
  readonly lost: LockEvent & { readonly loss: Loss; readonly reason?: string };
  /** A caller's turn ended, and it had the lock until then. */
  readonly released: LockEvent & {
    /**
     * What the store found. `absent` and `not-owner` of a lease that was believed valid are worth a look: see `HeldLease.release`.
     * `unknown`: no answer; tried again in the background until the TTL is over.
     */
    readonly outcome: 'released' | 'absent' | 'not-owner' | 'unknown';
    /** The store was not asked: the hold goes on for others of this process, who have their turns under the same grant. */
    readonly handedOn: boolean;
  };
  /** Held longer than `expectedHoldMs`. Reported, not ended. */
  readonly overdue: LockEvent;
  /** An ask was given up before it was granted. */
  readonly abandoned: LockEvent & { readonly because: 'aborted' | 'timed-out' | 'failed' | 'closed' };
  /** This instance revoked or stole somebody's lock. */
  readonly revoked: LockEvent & { readonly kind: 'revoked' | 'stolen'; readonly reason: string };
}

export type LockEventType = keyof LockEvents;
export type LockListener<T extends LockEventType> = (event: LockEvents[T]) => void;

/** All of them; the record makes a missing one a compile error. */
const everyType: Record<LockEventType, true> = {
  granted: true,
  waiting: true,
  'deadlock-suspected': true,
  renewed: true,
  'renewal-failed': true,
  endangered: true,
  lost: true,
  released: true,
  overdue: true,
  abandoned: true,
  revoked: true,
};
export const lockEventTypes = Object.keys(everyType) as readonly LockEventType[];

/** Delivers events to listeners of one instance, and to `diagnostics_channel` under `holdfast:<type>`. Watching never breaks a lock. */
export class Emitter {
  readonly #warn: Ports['warn'];
  readonly #listeners = new Map<LockEventType, Set<(event: never) => void>>();
  readonly #channels = new Map(lockEventTypes.map((type) => [type, channel(`holdfast:${type}`)] as const));

  constructor(warn: Ports['warn']) {
    this.#warn = warn;
  }

  on<T extends LockEventType>(type: T, listener: LockListener<T>): () => void {
    let set = this.#listeners.get(type);
    if (set === undefined) {
      set = new Set();
      this.#listeners.set(type, set);
    }
    // A wrapper of its own, so that the same function may listen twice and each is removed on its own.
    const entry = (event: never) => listener(event);
    set.add(entry);
    return () => void set.delete(entry);
  }

  /** Whether building the event is worth the work. */
  wanted(type: LockEventType): boolean {
    return (this.#listeners.get(type)?.size ?? 0) > 0 || this.#channels.get(type)?.hasSubscribers === true;
  }

  /** `make` runs only if somebody listens. */
  emit<T extends LockEventType>(type: T, make: () => LockEvents[T]): void {
    if (!this.wanted(type)) return;
    const event = make();
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        const answer: unknown = (listener as (event: LockEvents[T]) => unknown)(event);
        if (answer instanceof Promise) answer.catch((error: unknown) => this.#warn(`a listener of "${type}" rejected`, error));
      } catch (error) {
        this.#warn(`a listener of "${type}" threw; the lock is not affected`, error);
      }
    }
    // The channel isolates its subscribers by itself: it reports what they throw as uncaught, so this is guarded too.
    const subscribers = this.#channels.get(type);
    if (subscribers?.hasSubscribers) subscribers.publish(event);
  }
}
