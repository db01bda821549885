import { type Channel, channel } from 'node:diagnostics_channel';
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
  /** First fence of the grant: the turns that share a grant share it, and the next grant's is higher. */
  readonly leaseGeneration?: bigint;
  readonly ttlMs?: number;
  readonly expectedHoldMs?: number;
  /** Epoch milliseconds by this process's wall clock. */
  readonly acquiredAt?: number;
  readonly renewalCount?: number;
  readonly waitedMs?: number;
  readonly heldMs?: number;
}

/** What a call to the store was for. */
export type StoreOp = 'acquire' | 'renew' | 'release' | 'abandon' | 'revoke' | 'read' | 'list';

/** One call to the store has ended. */
export interface StoreCallEvent {
  readonly node: string;
  readonly op: StoreOp;
  /** `answered`: also with a no. `unknown`: nothing came within its deadline, or the store itself cannot tell. */
  readonly outcome: 'answered' | 'failed' | 'unknown';
  readonly tookMs: number;
}

/**
 * Every `requested` is followed by exactly one `granted`, `abandoned` or `refused`.
 *
 * Every `granted` is followed by exactly one `released` or `lost` of the same fence: `lost` as soon as it is lost, else
 * `released` when the turn is over.
 */
export interface LockEvents {
  /** A caller asked for a turn. */
  readonly requested: LockEvent;
  /** It did not want to wait and would have had to, or too many wait in this process. */
  readonly refused: LockEvent & { readonly because: 'busy' | 'full' };
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
  readonly renewed: LockEvent & {
    readonly remainingMs: number;
    /** Since the last success was sent: so much of the TTL had gone when this answer came. */
    readonly goneMs: number;
  };
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
  readonly 'store-call': StoreCallEvent;
}

/**
 * A turn as metrics and logs of this package look at it: they are told of each one, and an event with the digest of its owner would cost more
 * than all counting. Nothing in it proves the hold.
 */
export interface LiveTurn {
  readonly name: string;
  readonly mode: Mode;
  readonly ttlMs: number;
  readonly expectedHoldMs: number | undefined;
  readonly waitedMs: number;
  readonly heldMs: number;
  readonly loss: Loss | undefined;
  /** Undefined when it ended and others of this process follow. */
  readonly releaseOutcome: LockEvents['released']['outcome'] | undefined;
  readonly mintedFence: bigint;
  /** Stands for the hold that it belongs to; says nothing of it. */
  readonly holdKey: object;
  /** For who wants to know the rest. */
  event(): LockEvent;
}

export interface LiveRenewal {
  readonly holdKey: object;
  readonly name: string;
  readonly ttlMs: number;
  readonly goneMs: number;
}

/** What is told on `holdfast:live:<type>`. Of no use to others: it is valid only while it is told, and may change any time. */
export interface LiveEvents {
  readonly granted: LiveTurn;
  readonly released: LiveTurn;
  readonly lost: LiveTurn;
  readonly overdue: LiveTurn;
  readonly renewed: LiveRenewal;
}

export type LockEventType = keyof LockEvents;
export type LockListener<T extends LockEventType> = (event: LockEvents[T]) => void;

/** All of them; the record makes a missing one a compile error. */
const everyType: Record<LockEventType, true> = {
  requested: true,
  refused: true,
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
  'store-call': true,
};
export const lockEventTypes = Object.keys(everyType) as readonly LockEventType[];

/** Who listens to one type: functions of this instance, and a channel for whoever listens to all of them. */
interface Audience {
  readonly listeners: Set<(event: never) => void>;
  readonly channel: Channel;
  /** For those who look at what an event would be made from. */
  readonly live: Channel;
}

/** Delivers events to listeners of one instance, and to `diagnostics_channel` under `<prefix><type>`. Watching never breaks what is watched. */
export class Emitter<Events = LockEvents> {
  readonly #warn: Ports['warn'];
  readonly #audiences: ReadonlyMap<keyof Events, Audience>;

  /** @param types all of them */
  constructor(warn: Ports['warn'], types: readonly (keyof Events & string)[], prefix = 'holdfast:') {
    this.#warn = warn;
    const audience = (type: string): Audience => ({
      listeners: new Set(),
      channel: channel(`${prefix}${type}`),
      live: channel(`${prefix}live:${type}`),
    });
    this.#audiences = new Map(types.map((type) => [type, audience(type)]));
  }

  on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): () => void {
    const listeners = this.#audiences.get(type)?.listeners;
    // A wrapper of its own, so that the same function may listen twice and each is removed on its own.
    const entry = (event: never) => listener(event);
    listeners?.add(entry);
    return () => void listeners?.delete(entry);
  }

  /** Whether building the event is worth the work. */
  wanted(type: keyof Events): boolean {
    const audience = this.#audiences.get(type);
    return audience !== undefined && (audience.channel.hasSubscribers || audience.listeners.size > 0);
  }

  /** `make` runs only if somebody listens. `live`: see `LiveEvents`. */
  emit<T extends keyof Events & string>(
    type: T,
    make: () => Events[T],
    live?: T extends keyof LiveEvents ? LiveEvents[T] : never,
  ): void {
    const audience = this.#audiences.get(type);
    if (audience === undefined) return;
    const { listeners, channel: subscribers } = audience;
    if (live !== undefined && audience.live.hasSubscribers) audience.live.publish(live);
    if (listeners.size === 0 && !subscribers.hasSubscribers) return;
    const event = make();
    if (listeners.size > 0) this.#tell(type, event, [...listeners]);
    // The channel isolates its subscribers by itself: it reports what they throw as uncaught, so this is guarded too.
    if (subscribers.hasSubscribers) subscribers.publish(event);
  }

  #tell<T extends keyof Events & string>(type: T, event: Events[T], listeners: readonly ((event: never) => void)[]): void {
    for (const listener of listeners) {
      try {
        const answer: unknown = (listener as (event: Events[T]) => unknown)(event);
        if (answer instanceof Promise) answer.catch((error: unknown) => this.#warn(`a listener of "${type}" rejected`, error));
      } catch (error) {
        this.#warn(`a listener of "${type}" threw; nothing else is affected`, error);
      }
    }
  }
}
