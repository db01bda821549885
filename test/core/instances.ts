import { MemoryStore, memory } from '../../src/backends/memory/index.js';
import type { LockRecord } from '../../src/core/backend.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { type Faults, wrapped } from '../../src/testkit/conformance/wrappers.js';
import { ManualPorts } from './ports.js';

export const ttlMs = 3_000;

/** An instance behind a connection with these faults, and another one with a good connection to the same store. */
export function instances(faults: Faults = {}, options: HoldfastOptions = {}) {
  const ports = new ManualPorts();
  const store = new MemoryStore({ nowMs: () => ports.now().monotonicMs, wallUs: () => 0n });
  const locks = new Holdfast(wrapped(memory({ store }), faults), { ttlMs, ...options }, ports);
  // Its own identity, or `query` would take its locks for the first one's.
  const otherPorts: ManualPorts = Object.create(ports, {
    identity: { value: () => ({ ...ports.identity(), pid: 2, nonce: 'other' }) },
    now: { value: ports.now },
    timer: { value: ports.timer.bind(ports) },
    randomOwner: { value: () => `other-${ports.randomOwner()}` },
  });
  const other = new Holdfast(memory({ store }), { ttlMs, ...options }, otherPorts);
  const records = (): LockRecord[] => [...store.list('')];
  return { ports, store, locks, other, records };
}

export async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

/** How it ended, without a rejection that nobody handles meanwhile. */
export function outcomeOf<T>(promise: Promise<T>): {
  readonly value: T | undefined;
  readonly error: unknown;
  readonly settled: boolean;
} {
  const outcome: { value: T | undefined; error: unknown; settled: boolean } = {
    value: undefined,
    error: undefined,
    settled: false,
  };
  promise.then(
    (value) => Object.assign(outcome, { value, settled: true }),
    (error: unknown) => Object.assign(outcome, { error, settled: true }),
  );
  return outcome;
}

/** Work that lasts until it is told to end. */
export function work(): { readonly callback: () => Promise<void>; readonly end: () => void; readonly running: boolean } {
  let end = () => {};
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  const state = { running: false, end: () => end(), callback: () => Promise.resolve() };
  state.callback = async () => {
    state.running = true;
    await done;
    state.running = false;
  };
  return state;
}
