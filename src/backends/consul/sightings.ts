import { createHash } from 'node:crypto';
import type { Instant } from '../../core/clock.js';
import type { KeyValue } from './ops.js';

interface Sighting {
  /** Which of its versions: a store that lost its data gives the same indexes again, to other holds. */
  readonly index: number;
  readonly digest: string;
  /** Of the monotonic clock of this process, read when the answer had arrived. */
  readonly sinceMs: number;
}

/** Keys that are remembered: some hundred bytes each. The one that was looked at the longest ago goes first. */
const sightingsMax = 20_000;

/**
 * Since when this process has seen each key as it still is. Who lives changes its key, with every renewal; a key that
 * stood still for the time that it is good for is over, as seen by whoever looked. Only this process's clock is read, and it only
 * counts: nobody's clock is compared with anybody's.
 *
 * The monotonic clock alone: it may stand still while the machine sleeps, and then the wait is longer. The others may
 * jump forward, and then it would be too short.
 */
export class Sightings {
  readonly #now: () => Instant;
  readonly #byKey = new Map<string, Sighting>();

  constructor(now: () => Instant) {
    this.#now = now;
  }

  /** Notes what an answer shows. Milliseconds until it is over; 0 if it is. */
  leftMs({ key, modifyIndex, value }: KeyValue, goodForMs: number): number {
    const nowMs = this.#now().monotonicMs;
    const known = this.#byKey.get(key);
    const digest = createHash('sha256').update(value).digest('base64');
    const isSame = known?.index === modifyIndex && known.digest === digest;
    const seen = isSame ? known : { index: modifyIndex, digest, sinceMs: nowMs };
    this.#byKey.delete(key);
    this.#byKey.set(key, seen);
    for (const oldest of this.#byKey.keys()) {
      if (this.#byKey.size <= sightingsMax) break;
      this.#byKey.delete(oldest);
    }
    return Math.max(0, Math.ceil(goodForMs - (nowMs - seen.sinceMs)));
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
