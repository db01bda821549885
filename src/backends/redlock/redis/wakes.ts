import { randomBytes } from 'node:crypto';
import type { Stop } from '../../../core/backend.js';
import type { Driver } from '../../redis/driver.js';

/**
 * Wake-ups from one node: a channel of this process, on a connection that is opened when somebody first listens. A message is
 * the key of a lock. Each release wakes one process: one that has nobody waiting for that name passes it on.
 */
export class NodeWakes {
  readonly #driver: Driver;
  readonly #passOn: (key: string) => void;
  readonly #channel: string;
  readonly #watchers = new Map<string, Set<() => void>>();
  #stop: Stop | undefined;
  #closed = false;

  constructor(driver: Driver, prefix: string, passOn: (key: string) => void) {
    this.#driver = driver;
    this.#passOn = passOn;
    this.#channel = `${prefix}~wake:${randomBytes(12).toString('base64url')}`;
  }

  /** Where to be woken for this key; empty if nobody here waits for it. */
  channelFor(key: string): string {
    return this.#watchers.has(key) ? this.#channel : '';
  }

  watch(key: string, wake: () => void): Stop {
    if (this.#closed) return () => {};
    const set = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, set);
    const entry = () => wake();
    set.add(entry);
    this.#stop ??= this.#driver.subscribe(
      this.#channel,
      (message) => this.#message(message),
      () => this.#wakeAll(),
    );
    return () => {
      set.delete(entry);
      if (set.size === 0 && this.#watchers.get(key) === set) this.#watchers.delete(key);
    };
  }

  close(): void {
    this.#closed = true;
    this.#stop?.();
    this.#stop = undefined;
    this.#watchers.clear();
  }

  #message(key: string): void {
    if (this.#watchers.has(key)) this.#wake(key);
    else if (!this.#closed) this.#passOn(key);
  }

  #wake(key: string): void {
    // A copy: a woken waiter may stop watching at once.
    for (const wake of [...(this.#watchers.get(key) ?? [])]) wake();
  }

  /** Messages arrive from now on: some may have been missed. */
  #wakeAll(): void {
    for (const key of [...this.#watchers.keys()]) this.#wake(key);
  }
}
