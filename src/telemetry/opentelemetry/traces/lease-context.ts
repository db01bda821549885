import type { Context } from '@opentelemetry/api';

/** Its instances are the objects that it is given. */
class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: so that a subclass can put a private field on it
    return object;
  }
}

/**
 * The context of a lease, as a private field on the lease itself. A WeakMap would keep it, and all spans below it, until the next
 * collection of all garbage: measured, the small collections in between took eight times as long.
 */
class LeaseContext extends Given {
  #context: Context;

  private constructor(lease: object, context: Context) {
    super(lease);
    this.#context = context;
  }

  static give(lease: object, context: Context): void {
    if (#context in lease) lease.#context = context;
    else new LeaseContext(lease, context);
  }

  static of(lease: object): Context | undefined {
    return #context in lease ? lease.#context : undefined;
  }
}

export const giveTo = LeaseContext.give;
export const contextOf = LeaseContext.of;
