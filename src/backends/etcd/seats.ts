import type { Instant, Ports } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import { idOf } from './keys.js';
import { Lease, type Leases } from './leases.js';

/** A place must outlast some polls also where the hold is to be short, and is forgotten in time where it is to be long. */
const placeTtlMsMin = 5_000;

/** Below it nothing is looked for that core may have forgotten. */
const sweepFrom = 1_000;

/** What this process has of one owner in the store: nothing of it is needed for safety, since every transaction compares. */
export class Seat {
  readonly owner: string;
  /** What stands for the owner in keys. */
  readonly id: string;
  readonly ttlMs: number;
  /** Of the hold; undefined as long as there is none, and none was asked for. */
  lease: Lease | undefined;
  leasing: Promise<Lease> | undefined;
  /** Of the place; the same one where their times are the same. */
  placeLease: Lease | undefined;
  /** The revision that took the place. */
  place: number | undefined;
  held = false;
  /** Some call had no answer: what it wrote may come later. */
  uncertain = false;
  /** Something happened to what is waited for. */
  woken = true;
  /** Whether writers waited behind this reader when it was last looked. */
  writersWait = false;
  /** Calls that are under way. */
  users = 0;
  lastUsed: Instant;

  constructor(owner: string, ttlMs: number, now: Instant) {
    this.owner = owner;
    this.id = idOf(owner);
    this.ttlMs = ttlMs;
    this.lastUsed = now;
  }

  get placeTtlMs(): number {
    return Math.min(Math.max(this.ttlMs, placeTtlMsMin), limits.placeMs);
  }

  /** Place and hold have the same one. */
  get sharesLease(): boolean {
    return this.placeTtlMs === this.ttlMs;
  }
}

export class Seats {
  readonly #seats = new Map<string, Seat>();
  readonly #leases: Leases;
  readonly #ports: Ports;

  constructor(leases: Leases, ports: Ports) {
    this.#leases = leases;
    this.#ports = ports;
  }

  find(owner: string): Seat | undefined {
    return this.#seats.get(owner);
  }

  of(owner: string, ttlMs: number): Seat {
    const now = this.#ports.now();
    let seat = this.#seats.get(owner);
    if (seat === undefined) {
      this.#sweep(now);
      seat = new Seat(owner, ttlMs, now);
      this.#seats.set(owner, seat);
    }
    seat.lastUsed = now;
    return seat;
  }

  /** The lease for the hold. */
  async lease(seat: Seat, timeoutMs: number): Promise<Lease> {
    const { lease, placeLease } = seat;
    if (this.#lasts(lease)) return lease;
    if (seat.sharesLease && this.#lasts(placeLease)) {
      seat.lease = placeLease;
      return placeLease;
    }
    // Several calls of one owner may be under way.
    seat.leasing ??= this.#leases
      .take(seat.ttlMs, timeoutMs)
      .then((taken) => {
        seat.lease = taken;
        return taken;
      })
      .finally(() => {
        seat.leasing = undefined;
      });
    return seat.leasing;
  }

  /** The lease for the place. */
  async placeLease(seat: Seat, timeoutMs: number): Promise<Lease> {
    const { placeLease } = seat;
    if (this.#lasts(placeLease)) return placeLease;
    const lease = await (seat.sharesLease ? this.lease(seat, timeoutMs) : this.#leases.take(seat.placeTtlMs, timeoutMs));
    if (this.#lasts(seat.placeLease)) {
      if (!seat.sharesLease) this.#leases.giveBack(lease, seat.placeTtlMs);
      return seat.placeLease;
    }
    seat.placeLease = lease;
    return lease;
  }

  #lasts(lease: Lease | undefined): lease is Lease {
    return lease !== undefined && lease.leftMs(this.#ports.now()) > 0;
  }

  /** It holds: its place, if it has one, is now under the lease of the hold. */
  granted(seat: Seat): void {
    seat.held = true;
    const { placeLease } = seat;
    seat.placeLease = undefined;
    if (placeLease !== undefined && placeLease !== seat.lease) this.#free(seat, placeLease, seat.placeTtlMs);
  }

  /** Nothing of it is in the store any more. */
  over(seat: Seat): void {
    if (this.#seats.get(seat.owner) === seat) this.#seats.delete(seat.owner);
    const { lease, placeLease } = seat;
    seat.lease = undefined;
    seat.placeLease = undefined;
    if (lease !== undefined) this.#free(seat, lease, seat.ttlMs);
    if (placeLease !== undefined && placeLease !== lease) this.#free(seat, placeLease, seat.placeTtlMs);
  }

  #free(seat: Seat, lease: Lease, ttlMs: number): void {
    // What is still on its way must find no lease to attach to.
    if (seat.uncertain || seat.users > 0) this.#leases.revoke(lease);
    else this.#leases.giveBack(lease, ttlMs);
  }

  /** Holds that were lost, and of which nobody spoke again. */
  #sweep(now: Instant): void {
    if (this.#seats.size < sweepFrom || this.#seats.size % sweepFrom !== 0) return;
    for (const [owner, seat] of this.#seats) {
      const idleMs = now.monotonicMs - seat.lastUsed.monotonicMs;
      if (seat.users === 0 && idleMs > 2 * Math.max(seat.ttlMs, limits.placeMs)) this.#seats.delete(owner);
    }
  }
}

/** A lease that another client has taken: when its time began is not known. */
export function strangersLease(id: number, ttlMs: number): Lease {
  return new Lease(id, ttlMs);
}
