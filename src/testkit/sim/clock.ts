import type { Instant } from '../../core/clock.js';

export interface HostClockOptions {
  /** Speed of the quartz: 1 is true time. */
  readonly rate: number;
  /** What the wall clock showed when the world began. */
  readonly wallMs: number;
  /** How long the machine had been up by then. */
  readonly upMs: number;
}

/** The three clocks of one machine: monotonic stands still in a suspend, uptime does not, wall is stepped besides. */
export class HostClock {
  readonly #trueMs: () => number;
  readonly #options: HostClockOptions;
  #wallSteppedMs = 0;
  #suspendedSinceMs: number | undefined;
  #suspendedMs = 0;

  constructor(trueMs: () => number, options: HostClockOptions) {
    this.#trueMs = trueMs;
    this.#options = options;
  }

  get suspended(): boolean {
    return this.#suspendedSinceMs !== undefined;
  }

  monotonicMs(): number {
    const now = this.#trueMs();
    const slept = this.#suspendedMs + (this.#suspendedSinceMs === undefined ? 0 : now - this.#suspendedSinceMs);
    return this.#options.upMs + (now - slept) * this.#options.rate;
  }

  /** Cut as Linux and Node cut them: uptime to hundredths of a second, wall to milliseconds. */
  now(): Instant {
    const ranMs = this.#trueMs() * this.#options.rate;
    return {
      monotonicMs: this.monotonicMs(),
      uptimeMs: Math.floor((this.#options.upMs + ranMs) / 10) * 10,
      wallMs: Math.floor(this.#options.wallMs + ranMs + this.#wallSteppedMs),
    };
  }

  /** True time until the monotonic clock has moved on by that much, if nothing suspends it. */
  trueDelayMs(monotonicMs: number): number {
    return monotonicMs / this.#options.rate;
  }

  stepWall(byMs: number): void {
    this.#wallSteppedMs += byMs;
  }

  suspend(): void {
    this.#suspendedSinceMs ??= this.#trueMs();
  }

  wake(): void {
    if (this.#suspendedSinceMs === undefined) return;
    this.#suspendedMs += this.#trueMs() - this.#suspendedSinceMs;
    this.#suspendedSinceMs = undefined;
  }
}
