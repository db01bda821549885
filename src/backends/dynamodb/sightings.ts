import type { Instant } from '../../core/clock.js';
import type { Entry, Hold } from './item.js';

interface Sighting {
  /** Which hold, and which of its renewals. */
  readonly mark: string;
  /** Of the monotonic clock of this process, read when the answer had arrived. */
  readonly sinceMs: number;
  readonly ttlMs: number;
}

/** Names of which a sighting is kept: a few hundred bytes each. The one that was looked at the longest ago goes first. */
const sightingsMax = 10_000;

/**
 * When this process first saw each hold in the version that it still has. A holder that lives renews, and every renewal
 * changes the version; so a version that stood unchanged for a whole TTL since it was seen has been over for as long as
 * it took to be seen. Only this process's clock is read, and it only counts: nobody's clock is compared with anybody's.
 *
 * The monotonic clock alone: it may stand still while the machine sleeps, and then the wait is longer. The others may
 * jump forward, and then it would be too short.
 */
export class Sightings {
  readonly #now: () => Instant;
  readonly #isLongDead: (hold: Hold) => boolean;
  readonly #byKey = new Map<string, Sighting>();

  /** @param isLongDead for those who trust clocks within a bound: what is over at first sight */
  constructor(now: () => Instant, isLongDead: (hold: Hold) => boolean) {
    this.#now = now;
    this.#isLongDead = isLongDead;
  }

  /** Notes what an answer shows. Milliseconds until this hold may be taken over; 0 if it may be now. */
  look(entry: Entry, hold: Hold): number {
    const mark = `${hold.owner} ${entry.fence} ${entry.version}`;
    const known = this.#byKey.get(entry.key);
    const nowMs = this.#now().monotonicMs;
    const seen = known?.mark === mark ? known : { mark, sinceMs: nowMs, ttlMs: hold.ttlMs };
    this.#byKey.delete(entry.key);
    this.#byKey.set(entry.key, seen);
    for (const key of this.#byKey.keys()) {
      if (this.#byKey.size <= sightingsMax) break;
      this.#byKey.delete(key);
    }
    return this.#isLongDead(hold) ? 0 : this.#leftMs(seen, nowMs);
  }

  /** Whether the name was held when it was last looked at: then the next step is a look, and not the write of an ask. */
  wasHeld(key: string): boolean {
    return this.#byKey.has(key);
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }

  #leftMs({ sinceMs, ttlMs }: Sighting, nowMs: number): number {
    return Math.max(0, Math.ceil(ttlMs - (nowMs - sinceMs)));
  }
}
