/**
 * As many as the SDK's HTTP agent opens connections by default. More would stand in its line, which knows no order but that of
 * their coming: renewals would wait behind hundreds of asks, until what they were to keep is over.
 */
export const atOnce = 50;

/** A call that is under way, waits for its turn, or is over. */
export interface Turn {
  state: 'waiting' | 'running' | 'over';
  /** Resolves when it is its turn; undefined if it is at once. */
  readonly begun?: Promise<void>;
  readonly begin?: () => void;
}

/** The calls of a backend that are under way at the same time. Renewals go before all others: what they keep has an end. */
export class Turns {
  #running = 0;
  #renewals: Turn[] = [];
  #others: Turn[] = [];

  take(isRenewal: boolean): Turn {
    if (this.#running < atOnce) {
      this.#running += 1;
      return { state: 'running' };
    }
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const turn: Turn = { begun, state: 'waiting', begin };
    (isRenewal ? this.#renewals : this.#others).push(turn);
    return turn;
  }

  /** Over, or given up: then it never begins. False if it had not begun. */
  end(turn: Turn): boolean {
    const hadBegun = turn.state === 'running';
    turn.state = 'over';
    if (hadBegun) {
      this.#running -= 1;
      this.#beginNext();
    }
    return hadBegun;
  }

  #beginNext(): void {
    for (;;) {
      const next = this.#renewals.shift() ?? this.#others.shift();
      if (next === undefined) return;
      if (next.state !== 'waiting') continue;
      this.#running += 1;
      next.state = 'running';
      return next.begin?.();
    }
  }
}
