import { performance } from 'node:perf_hooks';
import type { Backend, Stop, Traits } from '../../core/backend.js';
import { ClosedError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { Records } from '../../core/records.js';
import { MemoryRecords } from './records.js';
import { MemoryStore } from './store.js';

export { MemoryStore };

export interface MemoryOptions {
  /** Share one store between several instances, as if they were several processes. Default: a store of its own. */
  readonly store?: MemoryStore;
}

const traits: Traits = {
  shared: true,
  queue: true,
  push: true,
  // The store dies with its one process.
  seesDeadHolders: true,
  pollMs: limits.pollMsMax,
  ttlMs: { min: limits.ttlMsMin, max: limits.ttlMsMax },
  fencesPerGrant: limits.fencesPerGrantMax,
  fenceSource: 'a counter in memory',
  guarantee: 'one process only: for tests, and as the smallest example of a backend',
};

/** Shared by all backends of one store: a release through one wakes waiters of another. */
interface Common {
  readonly watchers: Map<string, Set<() => void>>;
  readonly records: MemoryRecords;
}

const commonOf = new WeakMap<MemoryStore, Common>();

/** Leases in this process's memory. Promises exclusion between the callers of one process, and nothing beyond it. */
export function memory(options: MemoryOptions = {}): Backend {
  const store = options.store ?? createMemoryStore();
  let common = commonOf.get(store);
  if (common === undefined) {
    common = { watchers: new Map(), records: new MemoryRecords() };
    commonOf.set(store, common);
  }
  return new MemoryBackend(store, common);
}

export function createMemoryStore(): MemoryStore {
  return new MemoryStore({ nowMs: () => performance.now(), wallUs: () => 0n });
}

class MemoryBackend implements Backend {
  readonly name = 'memory';
  readonly traits = traits;
  readonly #store: MemoryStore;
  readonly #watchers: Map<string, Set<() => void>>;
  readonly #records: MemoryRecords;
  #closed = false;

  constructor(store: MemoryStore, { watchers, records }: Common) {
    this.#store = store;
    this.#watchers = watchers;
    this.#records = records;
  }

  async acquire(ask: Parameters<Backend['acquire']>[0]) {
    return this.#open().acquire(ask);
  }

  async renew(holds: Parameters<Backend['renew']>[0]) {
    const store = this.#open();
    return holds.map((held) => store.renew(held));
  }

  async release(held: Parameters<Backend['release']>[0]) {
    const outcome = this.#open().release(held);
    this.#wake(held.name.encoded);
    return outcome;
  }

  async abandon(ask: Parameters<Backend['abandon']>[0]) {
    this.#open().abandon(ask);
    this.#wake(ask.name.encoded);
  }

  watch(name: Parameters<Backend['watch']>[0], wake: () => void): Stop {
    const set = this.#watchers.get(name.encoded) ?? new Set();
    this.#watchers.set(name.encoded, set);
    const entry = () => wake();
    set.add(entry);
    return () => {
      set.delete(entry);
      if (set.size === 0 && this.#watchers.get(name.encoded) === set) this.#watchers.delete(name.encoded);
    };
  }

  async read(name: Parameters<Backend['read']>[0]) {
    return this.#open().read(name.encoded);
  }

  async *list(prefix: string) {
    yield* this.#open().list(prefix);
  }

  async revoke(name: Parameters<Backend['revoke']>[0], by: Parameters<Backend['revoke']>[1]) {
    const revocation = this.#open().revoke(name.encoded, by);
    this.#wake(name.encoded);
    return revocation;
  }

  async probe() {
    return [];
  }

  records(): Records {
    const opened = () => this.#open() && this.#records;
    return {
      get: async (key) => opened().get(key),
      create: async (...args) => opened().create(...args),
      compareAndSet: async (...args) => opened().compareAndSet(...args),
      list: (prefix) => opened().list(prefix),
    };
  }

  async close() {
    this.#closed = true;
  }

  #open(): MemoryStore {
    if (this.#closed) throw new ClosedError('this client of the memory store is closed: open another one');
    return this.#store;
  }

  #wake(encodedName: string): void {
    // A copy: a woken waiter may stop watching at once.
    for (const wake of [...(this.#watchers.get(encodedName) ?? [])]) wake();
  }
}
