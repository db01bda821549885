import { randomBytes } from 'node:crypto';
import type { Stop } from '../../core/backend.js';
import type { Driver } from './driver.js';

/**
 * Wake-ups of this process: one channel, on one connection that is opened when somebody first listens. A message is the
 * key of a lock. Whoever listens is also woken whenever messages begin to arrive, because some may have been missed.
 */
export class Wakes {
  /** Written down with every place in a queue: whoever grants publishes to it. */
  readonly channel: string;
  readonly #driver: Driver;
  readonly #watchers = new Map<string, Set<() => void>>();
  #stop: Stop | undefined;
  #closed = false;

  constructor(driver: Driver, prefix: string) {
    this.#driver = driver;
    this.channel = `${prefix}~wake:${randomBytes(12).toString('base64url')}`;
  }

  watch(key: string, wake: () => void): Stop {
    if (this.#closed) return () => {};
    const set = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, set);
    const entry = () => wake();
    set.add(entry);
    this.#stop ??= this.#driver.subscribe(
      this.channel,
      (message) => this.#wake(message),
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

  #wake(key: string): void {
    // A copy: a woken waiter may stop watching at once.
    for (const wake of [...(this.#watchers.get(key) ?? [])]) wake();
  }

  #wakeAll(): void {
    for (const key of [...this.#watchers.keys()]) this.#wake(key);
  }
}
