import type { Stop } from '../../core/backend.js';
import { elapsedMs, type Instant, type Ports } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import type { Seat } from './seats.js';
import type { Place, View } from './view.js';
import type { Target, Watches } from './watches.js';

interface Head {
  readonly key: string;
  readonly at: number;
  readonly since: Instant;
}

/** A name that was refused is likely to be refused again for so long. */
const hotMs = 2_000;

/** After so many grants in a row the next one is expected, too. */
const calmGrants = 8;

/** Who waits for what, who is told, and who is at the head of a queue without taking its turn. */
export class Waiting {
  readonly #watches: Watches;
  readonly #ports: Ports;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #watched = new Map<Seat, { readonly target: Target; readonly stop: () => void }>();
  readonly #heads = new Map<string, Head>();
  /** Names that were refused not long ago, and when: in the order of that. */
  readonly #hot = new Map<string, number>();
  /** In a row, of whichever names. */
  #grants = 0;

  constructor(watches: Watches, ports: Ports) {
    this.#watches = watches;
    this.#ports = ports;
  }

  listen(name: string, wake: () => void): Stop {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    const entry = () => wake();
    listeners.add(entry);
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) this.#listeners.delete(name);
    };
  }

  /** Until what stands in a seat's way has changed, asking again is pointless. */
  watch(name: string, seat: Seat, target: Target, fromRevision: number): void {
    const known = this.#watched.get(seat);
    seat.woken = false;
    if (known?.target.key === target.key && known.target.rangeEnd === target.rangeEnd) return;
    known?.stop();
    const stop = this.#watches.add(target, fromRevision, () => {
      this.#watched.delete(seat);
      seat.woken = true;
      for (const wake of [...(this.#listeners.get(name) ?? [])]) wake();
    });
    this.#watched.set(seat, { target, stop });
  }

  /** True if it was being watched: whoever finds its turn come although nothing was heard has a stream that is dead. */
  unwatch(seat: Seat): boolean {
    const known = this.#watched.get(seat);
    this.#watched.delete(seat);
    known?.stop();
    return known !== undefined;
  }

  /** What should have been heard was not. */
  suspect(): void {
    this.#watches.suspect();
  }

  /**
   * How long the head of the queue still has, of the time in which it must take its turn; undefined if it is nobody's turn. The
   * time is measured here, from when the name was first seen free: no clocks are compared.
   */
  headHasMs(name: string, view: View, head: Place | undefined): number | undefined {
    if (view.holders.length > 0 || head === undefined) {
      this.#heads.delete(name);
      return undefined;
    }
    const now = this.#ports.now();
    const known = this.#heads.get(name);
    if (known?.key !== head.key || known.at !== head.at) {
      this.#heads.set(name, { key: head.key, at: head.at, since: now });
      return limits.claimMs;
    }
    return Math.max(0, limits.claimMs - elapsedMs(known.since, now));
  }

  /** Whether an ask had better be prepared for a no. */
  isHot(name: string): boolean {
    if (this.#grants < calmGrants) return true;
    const atMs = this.#hot.get(name);
    return atMs !== undefined && this.#ports.now().monotonicMs - atMs < hotMs;
  }

  granted(name: string): void {
    this.#grants += 1;
    this.#heads.delete(name);
  }

  refused(name: string): void {
    this.#grants = 0;
    const nowMs = this.#ports.now().monotonicMs;
    // Anew at the end: the first is the oldest.
    this.#hot.delete(name);
    this.#hot.set(name, nowMs);
    for (const [old, atMs] of this.#hot) {
      if (nowMs - atMs < hotMs) break;
      this.#hot.delete(old);
    }
  }

  close(): void {
    this.#listeners.clear();
    this.#watched.clear();
    this.#heads.clear();
  }
}
