import type { Ports, Timer } from './clock.js';
import { limits } from './limits.js';

/**
 * The pauses between the tries of one ask. A wake-up ends a pause at once, `limits.wokenTriesMax` times in a row; beyond
 * that `limits.retryMsMin` is kept between two tries. (A leaky bucket, kept as one time: GCRA of the ATM Forum.)
 */
export class Pauses {
  readonly #ports: Ports;
  #woken = false;
  /** When the bucket would be empty. */
  #emptyAtMs = Number.NEGATIVE_INFINITY;
  #hurry: (() => void) | undefined;
  #end: (() => void) | undefined;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** A try begins. What wakes it from now on is news. */
  tried(nowMs: number): void {
    this.#woken = false;
    this.#emptyAtMs = Math.max(this.#emptyAtMs, nowMs) + limits.retryMsMin;
  }

  /** During a try it is not lost: the next pause ends at once. */
  wake(): void {
    this.#woken = true;
    this.#hurry?.();
  }

  /** Nobody waits for the next try. */
  end(): void {
    this.#end?.();
  }

  pause(delayMs: number): Promise<void> {
    const nowMs = this.#ports.now().monotonicMs;
    if (this.#woken && this.#waitMs(nowMs) === 0) return Promise.resolve();
    return new Promise((resolve) => {
      let dueMs = nowMs + delayMs;
      let timer: Timer | undefined;
      this.#end = () => {
        timer?.cancel();
        this.#end = undefined;
        this.#hurry = undefined;
        resolve();
      };
      const endAfter = (waitMs: number) => {
        timer?.cancel();
        timer = this.#ports.timer(waitMs, () => this.#end?.());
      };
      this.#hurry = () => {
        const hurriedMs = this.#ports.now().monotonicMs;
        const waitMs = this.#waitMs(hurriedMs);
        if (waitMs === 0) return this.#end?.();
        if (hurriedMs + waitMs >= dueMs) return;
        dueMs = hurriedMs + waitMs;
        endAfter(waitMs);
      };
      endAfter(delayMs);
      if (this.#woken) this.#hurry();
    });
  }

  #waitMs(nowMs: number): number {
    return Math.max(0, this.#emptyAtMs - limits.wokenTriesMax * limits.retryMsMin - nowMs);
  }
}
