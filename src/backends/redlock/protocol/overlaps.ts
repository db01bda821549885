/** One call of an owner, among those that overlap with it. */
export interface Overlap<T> {
  /** No later call of this owner has begun. */
  readonly isLast: boolean;
  /** What the last one is told. */
  readonly lastAnswer: Promise<T>;
}

/**
 * Calls of one owner that are under way at the same time. An owner asks again when an answer is late, so that the last call
 * is the one that somebody waits for: the others must not overtake it, and are told what it is told.
 */
export class Overlaps<T> {
  readonly #byOwner = new Map<string, { running: number; last: Promise<T> }>();

  /** @param call looks at its overlap after its first `await` */
  async run(owner: string, call: (overlap: Overlap<T>) => Promise<T>): Promise<T> {
    const calls = this.#byOwner.get(owner) ?? { running: 0, last: undefined as unknown as Promise<T> };
    this.#byOwner.set(owner, calls);
    calls.running += 1;
    const answer: Promise<T> = call({
      get isLast() {
        return calls.last === answer;
      },
      get lastAnswer() {
        return calls.last;
      },
    });
    calls.last = answer;
    try {
      return await answer;
    } finally {
      calls.running -= 1;
      if (calls.running === 0) this.#byOwner.delete(owner);
    }
  }
}
