import { type Instant, elapsedMs } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import { verdictOf } from './errors.js';
import type { Kept } from './keep-alives.js';
import { leaseGrant, leaseRevoke } from './methods.js';
import type { Rpc } from './rpc.js';
import type { Header } from './wire/messages.js';

/** A lease that is used again must have so much of its time left, or the new hold's first renewal would come too soon. */
const freshRatio = 0.75;
/** Leases that nobody uses, per TTL: what a busy process needs at a time. */
const idleMax = 256;
/** How much later than asked for what shares a lease may end. */
const sharedRatio = 0.05;
/** Different TTLs for which one is remembered. */
const sharedMax = 256;
/** etcd counts seconds. */
const secondMs = 1_000;
/** Ids that we choose are exact numbers, and random enough never to meet. */
const idBits = 53;
const farewellMs = limits.callTimeoutMsMin / 2;

/**
 * A lease of etcd, and since when its time is known to run: from before the request that granted it, or that renewed it.
 *
 * A renewal is not decided by a majority: whoever takes himself for the leader says yes, also if he has been voted out and does not
 * know. So it counts once something else, which a majority did decide, was answered later in the same term.
 */
export class Lease {
  readonly id: number;
  ttlMs: number;
  #since: Instant | undefined;
  #claim: { readonly since: Instant; readonly term: number; readonly arrivedMs: number } | undefined;

  constructor(id: number, ttlMs: number, since?: Instant) {
    this.id = id;
    this.ttlMs = ttlMs;
    this.#since = since;
  }

  leftMs(now: Instant): number {
    if (this.#since === undefined) return 0;
    return this.ttlMs - elapsedMs(this.#since, now) / (1 - limits.driftRatio);
  }

  isFresh(now: Instant): boolean {
    return this.leftMs(now) >= this.ttlMs * freshRatio;
  }

  /** Renewed after that, and not by somebody who was no leader any more. */
  isProvenSince(instant: Instant): boolean {
    return this.#since !== undefined && this.#since.monotonicMs >= instant.monotonicMs;
  }

  /** A member says that it has renewed it. */
  claimed({ ttlMs, term }: Kept, sentAt: Instant, arrivedAt: Instant): void {
    if (ttlMs <= 0) return;
    this.ttlMs = ttlMs;
    this.#claim = { since: sentAt, term, arrivedMs: arrivedAt.monotonicMs };
  }

  /** A majority has decided something that was asked at `sentAt`. */
  decided(header: Header | undefined, sentAt: Instant): void {
    const claim = this.#claim;
    if (claim === undefined || claim.arrivedMs > sentAt.monotonicMs || claim.term !== header?.raftTerm) return;
    this.#since = claim.since;
    this.#claim = undefined;
  }
}

/** One lease for each hold, each place and each group of marks; those that have become free are used again. */
export class Leases {
  readonly #rpc: Rpc;
  readonly #idle = new Map<number, Lease[]>();
  readonly #timeoutMs: number;
  readonly #shared = new Map<number, Lease>();
  readonly #revoking = new Set<Promise<unknown>>();

  constructor(rpc: Rpc, timeoutMs: number) {
    this.#rpc = rpc;
    this.#timeoutMs = timeoutMs;
  }

  /** One of at least that TTL, with most of it left. */
  async take(ttlMs: number, timeoutMs: number): Promise<Lease> {
    const seconds = secondsOf(ttlMs);
    const idle = this.#idle.get(seconds);
    const now = this.#rpc.ports.now();
    for (let lease = idle?.pop(); lease !== undefined; lease = idle?.pop()) if (lease.isFresh(now)) return lease;
    return this.#grant(seconds, timeoutMs);
  }

  /** Nothing is attached to it, and nothing that is on its way can be. */
  giveBack(lease: Lease, ttlMs: number): void {
    const seconds = secondsOf(ttlMs);
    const idle = this.#idle.get(seconds);
    if (this.#rpc.closed || !lease.isFresh(this.#rpc.ports.now())) return;
    if (idle === undefined) this.#idle.set(seconds, [lease]);
    else if (idle.length < idleMax) idle.push(lease);
  }

  /** Whatever is attached to it, or is on its way to be, must not be there. Nobody waits for it: its TTL does the same later. */
  revoke(lease: Lease): void {
    const revoking = this.#rpc.call(leaseRevoke, { id: lease.id }, this.#timeoutMs).catch(() => undefined);
    this.#revoking.add(revoking);
    void revoking.then(() => this.#revoking.delete(revoking));
  }

  /**
   * One for what stays so long and is not renewed: many keys share it while it has that much left. So there are few of them,
   * however much is written, and what is under it ends a little late.
   */
  async shared(ttlMs: number, timeoutMs: number): Promise<Lease> {
    const known = this.#shared.get(ttlMs);
    if (known !== undefined && known.leftMs(this.#rpc.ports.now()) >= ttlMs) return known;
    const lease = await this.#grant(secondsOf(ttlMs + Math.max(secondMs, ttlMs * sharedRatio)), timeoutMs);
    if (this.#shared.size >= sharedMax) this.#shared.clear();
    this.#shared.set(ttlMs, lease);
    return lease;
  }

  /** It is gone, whoever ended it. */
  forgetShared(ttlMs: number): void {
    this.#shared.delete(ttlMs);
  }

  /** They are another store's. */
  forgetAll(): void {
    this.#idle.clear();
    this.#shared.clear();
  }

  /** Leases that nobody uses need not wait for their end. */
  async close(): Promise<void> {
    for (const idle of this.#idle.values()) for (const lease of idle.splice(0)) this.revoke(lease);
    if (this.#revoking.size === 0) return;
    const all = Promise.all(this.#revoking);
    await this.#rpc.within(farewellMs, 'etcd: revoking leases', () => all).catch(() => undefined);
  }

  async #grant(seconds: number, timeoutMs: number): Promise<Lease> {
    for (;;) {
      const id = 1 + Math.floor(this.#rpc.ports.random() * (2 ** idBits - 2));
      const sentAt = this.#rpc.ports.now();
      try {
        const { ttl } = await this.#rpc.call(leaseGrant, { id, ttl: seconds }, timeoutMs);
        // Never shorter: a member raises what is too short for its elections.
        return new Lease(id, ttl * secondMs, sentAt);
      } catch (error) {
        // Somebody's, or ours whose reply was lost: which one, nobody can tell.
        if (verdictOf(error) !== 'lease-exists') throw error;
      }
    }
  }
}

function secondsOf(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs / secondMs));
}
