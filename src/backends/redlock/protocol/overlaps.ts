/** The calls of one owner that overlap, as each of them sees them. */
export class Overlap<T> {
  readonly #calls: Calls<T>;
  readonly #number: number;

  constructor(calls: Calls<T>, number: number) {
    this.#calls = calls;
    this.#number = number;
  }

  /** No later call of this owner has begun. */
  get isLast(): boolean {
    return this.#calls.begun === this.#number;
  }

  /** What the last one is told. */
  get lastAnswer(): Promise<T> {
    return this.#calls.last;
  }
}

interface Calls<T> {
  begun: number;
  running: number;
  last: Promise<T>;
}

/**
 * Calls of one owner that are under way at the same time. An owner asks again when an answer is late, so that the last call
 * is the one that somebody waits for: the others must not overtake it, and are told what it is told.
 */
export class Overlaps<T> {
  readonly #byOwner = new Map<string, Calls<T>>();

  /** @param call looks at its overlap after its first `await` */
  async run(owner: string, call: (overlap: Overlap<T>) => Promise<T>): Promise<T> {
    const calls = this.#byOwner.get(owner) ?? { begun: 0, running: 0, last: undefined as unknown as Promise<T> };
    this.#byOwner.set(owner, calls);
    calls.running += 1;
    calls.begun += 1;
    const answer = call(new Overlap(calls, calls.begun));
    calls.last = answer;
    try {
      return await answer;
    } finally {
      calls.running -= 1;
      if (calls.running === 0) this.#byOwner.delete(owner);
    }
  }
}
