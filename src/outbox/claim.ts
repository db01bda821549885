import { type Deadline, type Instant, type Ports, remainingMs } from '../core/clock.js';
import { limits } from '../core/limits.js';

/** What the database said of this relay's shards. */
export interface ClaimAnswer {
  readonly shards: readonly number[];
  readonly fences: readonly string[];
  /** Of the claim that ends first, by the database's clock. */
  readonly leftMs: number;
}

/** The shards of this relay, and until when it may believe in them: early, and counted from before the question was sent. */
export class Claim {
  readonly shards: readonly number[];
  readonly fences: readonly string[];
  readonly #deadline: Deadline;
  readonly #ports: Ports;

  constructor({ shards, fences, leftMs }: ClaimAnswer, sentAt: Instant, ports: Ports) {
    this.shards = shards;
    this.fences = fences;
    this.#ports = ports;
    this.#deadline = { since: sentAt, lengthMs: leftMs * (1 - limits.driftRatio) - limits.marginMs };
  }

  get remainingMs(): number {
    return remainingMs(this.#deadline, this.#ports.now());
  }
}
