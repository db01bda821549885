import { clearTimeout, setTimeout } from 'node:timers';

interface Pending {
  readonly dueMs: number;
  readonly expire: () => void;
}

/** Longest time that a deadline may be met too late by: one timer then serves all calls. */
const lateMsMax = 5;

/**
 * Deadlines of many short calls: one timer for the earliest of them, instead of one each. It keeps the process alive
 * while a call is under way, and not otherwise.
 */
export class Deadlines {
  readonly #pending = new Set<Pending>();
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  /** Calls `expire` at `dueMs` (of `performance.now()`) unless it is cancelled before. */
  set(dueMs: number, expire: () => void): () => void {
    const entry = { dueMs, expire };
    if (this.#pending.size === 0) this.#timer?.ref();
    this.#pending.add(entry);
    if (dueMs < this.#timerAtMs - lateMsMax) this.#arm(dueMs);
    return () => {
      this.#pending.delete(entry);
      if (this.#pending.size === 0) this.#timer?.unref();
    };
  }

  #arm(atMs: number): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => this.#fire(), Math.max(1, atMs - performance.now()));
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of [...this.#pending]) {
      if (entry.dueMs - nowMs < 1) {
        this.#pending.delete(entry);
        entry.expire();
      } else nextMs = Math.min(nextMs, entry.dueMs);
    }
    if (nextMs < this.#timerAtMs) this.#arm(nextMs);
  }
}
