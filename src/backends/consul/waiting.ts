import type { Stop } from '../../core/backend.js';
import type { Ports } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import { watchesMax } from './http.js';
import type { NameKeys } from './keys.js';
import type { KeyValue } from './ops.js';
import type { Seat } from './seats.js';
import type { Sightings } from './sightings.js';
import { parseText } from './values.js';
import { aheadOf, livingIn, type View } from './view.js';
import type { Watches } from './watches.js';

/** A name that was refused is likely to be refused again for so long. */
const hotMs = 2_000;

/** Who waits for what, who is told, and who is at the head of a queue without taking its turn. */
export class Waiting {
  readonly #watches: Watches;
  readonly #ports: Ports;
  readonly #heads: Sightings;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #watched = new Map<Seat, { readonly key: string; readonly stop: Stop }>();
  /** Names that were refused not long ago, and when: in the order of that. */
  readonly #hot = new Map<string, number>();

  constructor(watches: Watches, ports: Ports, heads: Sightings) {
    this.#watches = watches;
    this.#ports = ports;
    this.#heads = heads;
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

  /** Wakes when who is in front is gone: the one before in line; for the head of it, the holder. A poll stands behind. */
  watch(name: string, seat: Seat, view: View, keys: NameKeys): void {
    const mode = seat.place?.text.mode ?? 'exclusive';
    const target = aheadOf(view, mode, seat.id).at(-1)?.kv ?? view.lock;
    const known = this.#watched.get(seat);
    if (known !== undefined && known.key === target?.key) return;
    this.unwatch(seat);
    if (target === undefined || this.#watched.size >= watchesMax) return;
    const isSame = target.key === keys.lock ? sameHolder(target) : () => true;
    const end = () => this.#forget(seat, target.key);
    const stop = this.#watches.add(target, isSame, end, () => {
      end();
      for (const wake of [...(this.#listeners.get(name) ?? [])]) wake();
    });
    this.#watched.set(seat, { key: target.key, stop });
  }

  unwatch(seat: Seat): void {
    this.#watched.get(seat)?.stop();
    this.#watched.delete(seat);
  }

  /**
   * How long the head of the queue still has, of the time in which it must take its turn; undefined if it is nobody's turn. The
   * time is measured here, from when the name was first seen free: no clocks are compared. A sign of life begins it anew: who gives one
   * asks, and is kept out by a lock-delay.
   */
  headHasMs(base: string, view: View): number | undefined {
    const [head] = view.places;
    if (livingIn(view).length > 0 || head === undefined) {
      this.#heads.forget(base);
      return undefined;
    }
    return this.#heads.leftMs({ ...head.kv, key: base }, limits.claimMs);
  }

  isHot(base: string): boolean {
    const atMs = this.#hot.get(base);
    return atMs !== undefined && this.#ports.now().monotonicMs - atMs < hotMs;
  }

  granted(base: string): void {
    this.#heads.forget(base);
  }

  refused(base: string): void {
    const nowMs = this.#ports.now().monotonicMs;
    // Anew at the end: the first is the oldest.
    this.#hot.delete(base);
    this.#hot.set(base, nowMs);
    for (const [old, atMs] of this.#hot) {
      if (nowMs - atMs < hotMs) break;
      this.#hot.delete(old);
    }
  }

  close(): void {
    for (const { stop } of this.#watched.values()) stop();
    this.#watched.clear();
    this.#listeners.clear();
  }

  #forget(seat: Seat, key: string): void {
    if (this.#watched.get(seat)?.key === key) this.#watched.delete(seat);
  }
}

/** Renewals change the key as well, and wake nobody. */
function sameHolder(seen: KeyValue): (kv: KeyValue) => boolean {
  const id = parseText(seen)?.id;
  return (kv) => id !== undefined && parseText(kv)?.id === id;
}
