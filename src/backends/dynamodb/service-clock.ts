/** Calls after which a sample is forgotten. */
const samplesMax = 32;
/** The service tells whole seconds; and an answer takes its time, which is not told. */
const spreadMs = 2_000;

/**
 * How far this machine's wall clock is off the service's, from what the SDK notes of the `Date` header of each answer: the service's
 * second minus our time when the answer was there. So the truth lies between the largest of these and a spread above the
 * smallest. A clock that fits is left alone, or every answer would move it by parts of a second; one that does not is moved
 * as far as it takes.
 *
 * No lease depends on it: fences have it as their floor, and records end by it.
 */
export class ServiceClock {
  #samples: number[] = [];

  get known(): boolean {
    return this.#samples.length > 0;
  }

  /** @param offsetMs what the SDK has noted last; undefined if it has not */
  note(offsetMs: number | undefined): void {
    if (offsetMs === undefined || offsetMs === this.#samples.at(-1)) return;
    this.#samples.push(offsetMs);
    if (this.#samples.length > samplesMax) this.#samples.shift();
    // Our clock was stepped meanwhile.
    if (this.#least > this.#most) this.#samples = [offsetMs];
  }

  /** To be added to our clock. */
  get correctionMs(): number {
    if (!this.known) return 0;
    return Math.min(Math.max(0, this.#least), this.#most);
  }

  get #least(): number {
    return Math.max(...this.#samples);
  }

  get #most(): number {
    return Math.min(...this.#samples) + spreadMs;
  }
}
