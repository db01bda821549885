import type { Examination } from './examination.js';
import type { LockName } from './name.js';
import type { NodeIdentity } from './node.js';
import type { Records } from './records.js';

/** The contract between core and a store. A backend tries once; waiting, renewal timing, deadlines and events are core's. */
export interface Backend {
  /** For messages and events. Nothing branches on it. */
  readonly name: string;
  readonly traits: Traits;
  /** Tries once. Takes or keeps a place in the queue if `ask.enqueue`. Idempotent by `ask.owner`. */
  acquire(ask: Ask): Promise<Grant | Refusal>;
  /** Extends many holds in one round trip; answers in the same order. Never creates, never revives. */
  renew(holds: readonly Held[]): Promise<readonly Renewal[]>;
  /** Compare-and-delete. Wakes whoever is next. */
  release(hold: Held): Promise<Release>;
  /** Forgets whatever this owner has here (a place, or the lock itself) and refuses its asks that arrive later. */
  abandon(ask: Ask): Promise<void>;
  /** Calls `wake` when `name` may have become free. A hint: it may come late, twice, or never. Must not throw. */
  watch(name: LockName, wake: () => void): Stop;
  /** Everybody at one name, as of one moment where the store can tell: holders, then waiters in queue order. What `list` shows of it, at the price of one name. */
  read(name: LockName): Promise<readonly LockRecord[]>;
  /** Holders and waiters whose name starts with `prefix` (of the readable name), waiters in queue order. */
  list(prefix: string): AsyncIterable<LockRecord>;
  /** Ends every hold on `name`; the next fence is higher. With an heir, grants to it in the same step (steal); an heir that was abandoned robs nobody. */
  revoke(name: LockName, by: Revoker): Promise<Revocation>;
  /** What could make this store unsafe. Asked by the doctor, never on the way to a lock. */
  probe(): Promise<readonly Finding[]>;
  /** What stands in the way of one name beyond its holders and waiters. Asked by the doctor; absent where there is nothing to add. */
  examine?(name: LockName): Promise<Examination>;
  /** The store's records, through the same client: for what is kept beside the locks. Absent where the store has none. */
  records?(): Records;
  /** Frees connections and files. Holds are core's business and are over by then. */
  close(): Promise<void>;
}

/** What a store can and cannot do. Core and the conformance suite key on these, never on `name`. */
export interface Traits {
  /** Shared (reader) mode. Without it, a shared request is `NotSupportedError`. */
  readonly shared: boolean;
  /** FIFO across processes. Without it, waiters compete with jittered backoff. */
  readonly queue: boolean;
  /** `watch` really wakes. Without it, waiting is polling, with backoff capped at `pollMs`. */
  readonly push: boolean;
  /**
   * Waiters on the holder's machine see that its process is gone, and take over at once. Without it a killed holder costs its
   * TTL, unless somebody gives back in its place: `holdfast run` sees to that.
   */
  readonly seesDeadHolders: boolean;
  /** Longest time between two tries of a waiter that nothing woke. */
  readonly pollMs: number;
  /** TTLs that the store can keep. */
  readonly ttlMs: { readonly min: number; readonly max: number };
  /** Fences that one grant can mint. 1 means: one caller per grant. */
  readonly fencesPerGrant: number;
  /** Where the fence comes from, in words, for the documentation. */
  readonly fenceSource: string;
  /** What exclusion rests on, in words, for the documentation. */
  readonly guarantee: string;
}

export type Mode = 'exclusive' | 'shared';
export type Stop = () => void;
export type Metadata = Readonly<Record<string, string | number | boolean>>;

/** One attempt by one owner to get a name. */
export interface Ask {
  readonly name: LockName;
  /** 128 random bits, base64url: the secret that proves the hold. Never logged or shown. */
  readonly owner: string;
  readonly mode: Mode;
  readonly ttlMs: number;
  /** How many consecutive fences the grant should mint (1 … `traits.fencesPerGrant`). May differ from try to try. */
  readonly fences: number;
  /** Whether a refused ask takes a place in the queue. */
  readonly enqueue: boolean;
  readonly node: NodeIdentity;
  readonly metadata: Metadata;
}

/** The store's yes. Told again, unchanged but for a fresh TTL, to the same owner asking again. */
export interface Grant {
  readonly outcome: 'granted';
  /** First and last fence of the range minted by this grant, inclusive. */
  readonly fences: { readonly first: bigint; readonly last: bigint };
  /** Counted from when the request was sent, the store keeps the lock at least this long. */
  readonly ttlMs: number;
}

/** The store's no. */
export interface Refusal {
  readonly outcome: 'refused';
  /** `abandoned`: this owner gave up earlier; it must ask under a new owner. */
  readonly because: 'held' | 'queued' | 'abandoned';
  readonly holders: readonly LockRecord[];
  /** When asking again may help, without a wake-up (a lease runs out, a claim window ends). */
  readonly retryInMs?: number;
  /** Waiters in front of this ask. */
  readonly ahead: number;
}

/** A granted ask, as renew and release need it. */
export interface Held {
  readonly name: LockName;
  readonly owner: string;
  readonly mode: Mode;
  readonly ttlMs: number;
}

export type Renewal =
  | { readonly outcome: 'renewed'; readonly ttlMs: number }
  /** The store has no such hold. `by`: who ended it, where the store remembers. */
  | { readonly outcome: 'gone'; readonly by?: RevokedBy }
  /** Somebody else has the lock. */
  | { readonly outcome: 'not-yours'; readonly by?: RevokedBy }
  /** Neither yes nor no. Core tries again. */
  | { readonly outcome: 'unknown'; readonly cause: unknown };

export type Release = 'released' | 'absent' | 'not-owner';

export interface RevokedBy {
  readonly kind: 'revoked' | 'stolen';
  readonly reason: string;
}

export interface Revoker extends RevokedBy {
  readonly node: NodeIdentity;
  /** Granted in the same step, in front of every waiter. */
  readonly heir?: Ask;
  /** Ends nothing unless a hold of this fence (as `LockRecord.fence` shows it) is there, in the same step. Not with an heir. */
  readonly ifFence?: bigint;
}

export interface Revocation {
  /** The holds that were ended. */
  readonly ended: readonly LockRecord[];
  /** The heir's grant, if there was one. */
  readonly grant?: Grant;
}

/** A hold or a place in the queue, as the store shows it. */
export interface LockRecord {
  readonly name: string;
  /** Where it lies in the store, for a person with that store's own tools. */
  readonly key: string;
  readonly state: 'held' | 'waiting';
  readonly mode: Mode;
  /** First 12 hex digits of the owner's SHA-256. */
  readonly ownerDigest: string;
  readonly node: NodeIdentity;
  /** Whether the process lives; undefined where that cannot be seen from here. */
  readonly alive?: boolean;
  /** Held only: last fence minted. */
  readonly fence?: bigint;
  readonly ttlMs: number;
  /** Held only: time left in the store. */
  readonly expiresInMs?: number;
  /** How long it has been held or waited for. */
  readonly sinceMs: number;
  /** Absent where the store does not count them. */
  readonly renewals?: number;
  readonly metadata: Metadata;
}

/** Something about the store that an operator should know. */
export interface Finding {
  readonly severity: 'info' | 'warning' | 'critical';
  readonly what: string;
  readonly why: string;
  /** The command that mends it. */
  readonly fix: string;
}
