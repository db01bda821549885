/** Knows where it lies in its bag. */
export interface Bagged {
  /** Kept by the bag; -1: in none. */
  bagIndex: number;
}

/**
 * Things without an order that come and go all the time. A `Set` would do, but each time one makes itself a new table, the old
 * one goes on pointing to it, and so to all later ones: once the garbage collector takes a single one of them for
 * long-lived, everything that passes through the set stays in memory until the next full collection.
 */
export class Bag<T extends Bagged> {
  #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items[Symbol.iterator]();
  }

  add(item: T): void {
    item.bagIndex = this.#items.length;
    this.#items.push(item);
  }

  /** True if it lay here. */
  remove(item: T): boolean {
    const { bagIndex } = item;
    if (bagIndex < 0) return false;
    item.bagIndex = -1;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#items[bagIndex] = last;
      last.bagIndex = bagIndex;
    }
    return true;
  }

  takeAll(): readonly T[] {
    const all = this.#items;
    this.#items = [];
    for (const item of all) item.bagIndex = -1;
    return all;
  }
}
