import { type Baggage, type BaggageEntry, type Context, context, propagation } from '@opentelemetry/api';

/** A lease as it goes along with requests to other services: whose work they are part of. */
export interface CarriedLease {
  /** The name of the lock, or what `lockId` of the tracer made of it. */
  readonly lockId: string;
  /** First fence of the grant: the same for all turns that it served. */
  readonly leaseGeneration: bigint;
  readonly fencingToken: bigint;
}

/** Names of the entries. */
const lockId = 'lock_id';
const leaseGeneration = 'lease_generation';
const fencingToken = 'fencing_token';

const wholeNumber = /^\d{1,19}$/;
const fenceMax = 2n ** 63n;

/** The context with the lease in its baggage, in place of one that was there. Other entries stay. */
export function withLease(base: Context, lease: CarriedLease): Context {
  return propagation.setBaggage(base, new LeaseBaggage(propagation.getBaggage(base), lease));
}

/** Most callbacks send nothing: the entries are made when somebody looks. */
class LeaseBaggage implements Baggage {
  readonly #outer: Baggage | undefined;
  readonly #lease: CarriedLease;
  #made: Baggage | undefined;

  constructor(outer: Baggage | undefined, lease: CarriedLease) {
    // All that another lease has added is replaced: callbacks that ask again from inside would grow a chain for ever.
    this.#outer = outer instanceof LeaseBaggage ? outer.#outer : outer;
    this.#lease = lease;
  }

  get #whole(): Baggage {
    this.#made ??= (this.#outer ?? propagation.createBaggage())
      .setEntry(lockId, { value: this.#lease.lockId })
      .setEntry(leaseGeneration, { value: String(this.#lease.leaseGeneration) })
      .setEntry(fencingToken, { value: String(this.#lease.fencingToken) });
    return this.#made;
  }

  getEntry(key: string): BaggageEntry | undefined {
    return this.#whole.getEntry(key);
  }

  getAllEntries(): [string, BaggageEntry][] {
    return this.#whole.getAllEntries();
  }

  setEntry(key: string, entry: BaggageEntry): Baggage {
    return this.#whole.setEntry(key, entry);
  }

  removeEntry(key: string): Baggage {
    return this.#whole.removeEntry(key);
  }

  removeEntries(...keys: string[]): Baggage {
    return this.#whole.removeEntries(...keys);
  }

  clear(): Baggage {
    return this.#whole.clear();
  }
}

/**
 * The lease in a context's baggage: of the callback that this runs in, or of the one that sent the request whose context this is
 * (`incomingContext`, or the active context where the server is instrumented). `undefined` if there is none, or if it is not whole.
 *
 * It is what the sender says: good for traces and logs. Whoever can send a request can say anything; a sink is protected by its
 * guard, which compares.
 */
export function leaseIn(from: Context = context.active()): CarriedLease | undefined {
  const baggage = propagation.getBaggage(from);
  // Propagators leave out what is empty, and a name may be.
  const id = baggage?.getEntry(lockId)?.value ?? '';
  const generation = numberIn(baggage, leaseGeneration);
  const token = numberIn(baggage, fencingToken);
  if (generation === undefined || token === undefined) return undefined;
  return { lockId: id, leaseGeneration: generation, fencingToken: token };
}

function numberIn(baggage: Baggage | undefined, key: string): bigint | undefined {
  const text = baggage?.getEntry(key)?.value ?? '';
  const value = wholeNumber.test(text) ? BigInt(text) : fenceMax;
  return value < fenceMax ? value : undefined;
}
