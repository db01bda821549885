/** Minutes that `recent` means at most; at least half of it. */
const recentMs = 600_000;

/** A value over the last minutes: two halves of the time, of which the older is forgotten whole. */
export class Recent<T> {
  readonly #empty: () => T;
  #current: T;
  #previous: T;
  #sinceMs: number;

  constructor(empty: () => T, nowMs: number) {
    this.#empty = empty;
    this.#current = empty();
    this.#previous = empty();
    this.#sinceMs = nowMs;
  }

  /** What is being filled now. */
  current(nowMs: number): T {
    const ageMs = nowMs - this.#sinceMs;
    if (ageMs < recentMs / 2) return this.#current;
    this.#previous = ageMs < recentMs ? this.#current : this.#empty();
    this.#current = this.#empty();
    this.#sinceMs = nowMs;
    return this.#current;
  }

  /** Both halves. */
  all(nowMs: number): readonly [T, T] {
    return [this.current(nowMs), this.#previous];
  }
}

/** The highest of the last minutes. */
export class RecentMax {
  readonly #recent: Recent<{ value: number }>;

  constructor(nowMs: number) {
    this.#recent = new Recent(() => ({ value: 0 }), nowMs);
  }

  note(value: number, nowMs: number): void {
    const current = this.#recent.current(nowMs);
    if (value > current.value) current.value = value;
  }

  read(nowMs: number): number {
    return Math.max(...this.#recent.all(nowMs).map(({ value }) => value));
  }
}
