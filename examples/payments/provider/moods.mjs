import { setTimeout as pause } from 'node:timers/promises';
import { between, random, weighted } from '../random.mjs';
import { times } from '../times.mjs';

/** How the provider goes wrong, in percent of the requests. */
const moods = {
  prompt: 92,
  /** Charges, and answers when nobody waits any more. */
  'answers late': 1.5,
  /** Charges when nobody waits any more. */
  'charges late': 1.5,
  /** Charges, and never answers. */
  silent: 1.5,
  /** The network delivers the request a second time. */
  'delivered twice': 1.5,
  /** Is out of order, and has not charged. */
  unavailable: 1,
  /** An answer like any other. */
  declines: 1,
};

const never = new Promise(() => {});

/** The provider's bad days, the same for the same seed and order of requests. */
export class Moods {
  #next;

  constructor(seed) {
    this.#next = random(seed);
  }

  mood() {
    return weighted(this.#next, moods);
  }

  /** Before the request is looked at: it stands in some queue of the provider's. */
  async before(mood) {
    if (mood === 'charges late') await this.#late();
  }

  /** After the charge was made, before the answer. */
  async after(mood) {
    if (mood === 'answers late') await this.#late();
    if (mood === 'silent') await never;
  }

  #late() {
    return pause(between(this.#next, ...times.lateMs));
  }
}
