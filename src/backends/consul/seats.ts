import { idOf } from './keys.js';
import type { KeyValue } from './ops.js';
import type { Text } from './values.js';

/** What this process knows to stand at a key of its own. */
export interface Own {
  readonly key: string;
  modifyIndex: number;
  readonly session: string;
  text: Text;
}

/** What this process has of one owner in the store: nothing of it is needed for safety, since every transaction compares. */
export class Seat {
  readonly owner: string;
  /** What stands for the owner in the store. */
  readonly id: string;
  hold: Own | undefined;
  place: (Own & { beatAtMs: number }) | undefined;
  /** Some call had no answer: what it wrote may come later. */
  uncertain = false;
  /** Calls that are under way. */
  users = 0;
  /** What was known of the store before it was asked for the first time. */
  readonly before: Known;

  constructor(owner: string, { highest, lives }: Known) {
    this.owner = owner;
    this.id = idOf(owner);
    this.before = { highest, lives };
  }
}

/** The highest index that was seen, and how often it was found that the store is another one. */
export interface Known {
  readonly highest: number;
  readonly lives: number;
}

/** A hold that nobody has been told of yet, with an index from before it was asked for: the store went back. */
export function isTooOld({ hold, before }: Seat, kv: KeyValue, now: Known): boolean {
  return hold === undefined && before.lives === now.lives && kv.createIndex <= before.highest;
}

/** Core gives everything back; what it may have forgotten is bounded all the same. */
const seatsMax = 200_000;

export class Seats {
  readonly #seats = new Map<string, Seat>();

  of(owner: string, known: Known): Seat {
    let seat = this.#seats.get(owner);
    if (seat === undefined) {
      seat = new Seat(owner, known);
      this.#seats.set(owner, seat);
      for (const oldest of this.#seats.keys()) {
        if (this.#seats.size <= seatsMax) break;
        this.#seats.delete(oldest);
      }
    }
    return seat;
  }

  find(owner: string): Seat | undefined {
    return this.#seats.get(owner);
  }

  over(seat: Seat): void {
    seat.hold = undefined;
    seat.place = undefined;
    this.#seats.delete(seat.owner);
  }

  /** Whether something that still counts may be locked by it. */
  uses(session: string): boolean {
    for (const { hold, uncertain } of this.#seats.values()) if (hold?.session === session || uncertain) return true;
    return false;
  }
}
