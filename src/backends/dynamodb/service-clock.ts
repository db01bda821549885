/** Calls after which a sample is forgotten. */
const samplesMax = 32;
/** The service tells whole seconds; and an answer takes its time, which is not told: so much, unless the call took longer. */
const secondMs = 1_000;
const answerMs = 1_000;

interface Sample {
  readonly leastMs: number;
  readonly mostMs: number;
}

/**
 * How far this machine's wall clock is off the service's, from what the SDK notes of the `Date` header of each answer: the service's
 * second minus our time when the answer was there. That is the least that the truth can be; the most is more by a second and by
 * the time that the answer took. A clock that fits is left alone, or every answer would move it by parts of a second; one that
 * does not is moved as far as it takes.
 *
 * No lease depends on it, but for `deadAfterMs`: fences have it as their floor, and records end by it.
 */
export class ServiceClock {
  #samples: Sample[] = [];

  get known(): boolean {
    return this.#samples.length > 0;
  }

  /**
   * @param offsetMs what the SDK has noted last; undefined if it has not
   * @param tookMs how long the call took, also if the machine slept meanwhile
   */
  note(offsetMs: number | undefined, tookMs: number): void {
    if (offsetMs === undefined || offsetMs === this.#samples.at(-1)?.leastMs) return;
    const sample = { leastMs: offsetMs, mostMs: offsetMs + secondMs + Math.max(answerMs, tookMs) };
    this.#samples.push(sample);
    if (this.#samples.length > samplesMax) this.#samples.shift();
    // Our clock was stepped meanwhile.
    if (this.#least > this.#most) this.#samples = [sample];
  }

  /** To be added to our clock. */
  get correctionMs(): number {
    if (!this.known) return 0;
    return Math.min(Math.max(0, this.#least), this.#most);
  }

  get #least(): number {
    return Math.max(...this.#samples.map(({ leastMs }) => leastMs));
  }

  get #most(): number {
    return Math.min(...this.#samples.map(({ mostMs }) => mostMs));
  }
}
