import type { Ports } from '../core/clock.js';
import { limits } from '../core/limits.js';
import type { StoredRecord } from '../core/records.js';

interface Sighting {
  readonly version: string;
  /** Of the monotonic clock of this process, read when the answer had arrived. */
  readonly sinceMs: number;
  readonly round: number;
}

/**
 * How much of its lease a running claim has left. No clocks of two machines are compared: the store says how old the record is, by its own clock; where it has
 * none, or one that was stepped back, a version that this process has seen unchanged is at least as old as that. The holder counts from before it wrote, and less. Who guesses wrong freezes a
 * record that could have been completed, or takes one for running that is not; neither executes anything twice.
 */
export class Liveness {
  readonly #ports: Pick<Ports, 'now'>;
  readonly #inRounds: boolean;
  readonly #sightings = new Map<string, Sighting>();
  #round = 0;

  /** @param inRounds for who looks at all records again and again: see `endRound` */
  constructor(ports: Pick<Ports, 'now'>, inRounds = false) {
    this.#ports = ports;
    this.#inRounds = inRounds;
  }

  /** Milliseconds; 0 if it has ended. */
  leftMs({ key, version, ageMs }: StoredRecord, leaseTtlMs: number): number {
    return Math.max(0, Math.ceil(leaseTtlMs - Math.max(ageMs ?? 0, this.#seenForMs(key, version))));
  }

  /** The monotonic clock alone: it may stand still while the machine sleeps, and then the wait is longer. */
  #seenForMs(key: string, version: string): number {
    const nowMs = this.#ports.now().monotonicMs;
    const known = this.#sightings.get(key);
    // In rounds the oldest is the one that comes next: if it made room, of more than can be remembered none would ever be old.
    if (known === undefined && this.#inRounds && this.#sightings.size >= limits.sightingsMax) return 0;
    const sinceMs = known?.version === version ? known.sinceMs : nowMs;
    this.#sightings.delete(key);
    this.#sightings.set(key, { version, sinceMs, round: this.#round });
    if (this.#sightings.size > limits.sightingsMax) this.#forgetOldest();
    return nowMs - sinceMs;
  }

  #forgetOldest(): void {
    for (const oldest of this.#sightings.keys()) {
      this.#sightings.delete(oldest);
      return;
    }
  }

  /** All were looked at: what was not among them runs no more, and makes room. */
  endRound(): void {
    for (const [key, { round }] of this.#sightings) if (round !== this.#round) this.#sightings.delete(key);
    this.#round += 1;
  }

  /** It is not running any more. */
  forget(key: string): void {
    this.#sightings.delete(key);
  }
}
