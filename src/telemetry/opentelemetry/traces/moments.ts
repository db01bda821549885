/** Times of day for the spans of one request, which go on evenly when the clock is stepped meanwhile. */
export class Moments {
  readonly #dateMs = Date.now();
  readonly #nowMs = performance.now();

  /** Milliseconds since 1970, in fractions. */
  get now(): number {
    return this.#dateMs + (performance.now() - this.#nowMs);
  }
}
