import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers';

interface Piece {
  readonly bytes: Buffer;
  readonly leavesAtMs: number;
}

/**
 * One direction of a connection on which everything takes its time. What came first leaves first, whatever the timers do: one for each
 * piece would let a later piece overtake, which no TCP stream does, and a client would take one reply for another.
 */
export class Lane {
  readonly #to: Socket;
  readonly #waiting: Piece[] = [];

  constructor(to: Socket) {
    this.#to = to;
  }

  forward(bytes: Buffer, latencyMs: number): void {
    const leavesAtMs = performance.now() + latencyMs;
    this.#waiting.push({ bytes, leavesAtMs });
    if (this.#waiting.length === 1) this.#serve();
  }

  /** Sends all that is due, and comes back for the next. */
  #serve(): void {
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      const leftMs = next.leavesAtMs - performance.now();
      // Longer than it lasts, or a timer that fires early is set again and again.
      if (leftMs > 0) return void setTimeout(() => this.#serve(), Math.ceil(leftMs));
      this.#waiting.shift();
      if (this.#to.writable) this.#to.write(next.bytes);
    }
  }
}
