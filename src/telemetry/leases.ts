import { limits } from '../core/limits.js';
import type { Group } from './groups.js';

/** One grant of the store, as long as it has turns. */
export interface WatchedHold {
  readonly group: Group;
  readonly ttlMs: number;
  /** When it was granted, or last renewed. */
  landedAtMs: number;
  /** Of the last renewal. */
  driftPercent: number;
  turns: number;
  /** Fences of turns that run longer than expected. */
  overdue: Set<bigint> | undefined;
}

/** The holds of this process that began while somebody watched, by what stands for them. */
export class WatchedHolds {
  readonly #all = new Map<object, WatchedHold>();

  get(key: object): WatchedHold | undefined {
    return this.#all.get(key);
  }

  /** A turn began. */
  began(key: object, group: Group, ttlMs: number, nowMs: number): void {
    const hold = this.#all.get(key);
    if (hold === undefined)
      this.#all.set(key, { group, ttlMs, landedAtMs: nowMs, driftPercent: 0, turns: 1, overdue: undefined });
    else hold.turns += 1;
    group.held += 1;
  }

  /** A turn is over. `goesOn`: others of this process follow under the same grant. */
  ended(key: object, fence: bigint, goesOn: boolean): void {
    const hold = this.#all.get(key);
    if (hold === undefined) return;
    hold.turns -= 1;
    hold.group.held -= 1;
    if (hold.overdue?.delete(fence)) hold.group.overdue -= 1;
    if (hold.turns === 0 && !goesOn) this.#all.delete(key);
  }

  /** Of each group the worst. */
  drifts(nowMs: number): Map<Group, number> {
    const worst = new Map<Group, number>();
    for (const [key, hold] of this.#all) {
      const goneMs = nowMs - hold.landedAtMs;
      // Lost between two turns: nobody was left to be told.
      if (hold.turns === 0 && goneMs > hold.ttlMs) this.#all.delete(key);
      if (hold.turns === 0) continue;
      const percent = Math.max(hold.driftPercent, driftPercent(goneMs, hold.ttlMs));
      worst.set(hold.group, Math.max(worst.get(hold.group) ?? 0, percent));
    }
    return worst;
  }
}

/** The share of the TTL that has gone beyond the plan: a renewal is due after a third of it. */
export function driftPercent(goneMs: number, ttlMs: number): number {
  const beyondMs = goneMs - ttlMs * limits.renewAfterRatio;
  return Math.min(100, Math.max(0, (beyondMs / ttlMs) * 100));
}
