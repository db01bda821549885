import { randomBytes } from 'node:crypto';
import type { Stop } from '../../core/backend.js';
import type { Driver } from './driver.js';

/**
 * Wake-ups of this process: one channel, on one connection that is opened when somebody first listens. A message is the
 * key of a lock. Whoever listens is also woken when the client says that messages begin to arrive, because some may have been missed.
 */
export class Wakes {
  /** Written down with every place in a queue: whoever grants publishes to it. */
  readonly channel: string;
  readonly #driver: Driver;
  readonly #unheard: (key: string) => void;
  readonly #watchers = new Map<string, Set<() => void>>();
  #stop: Stop | undefined;
  #closed = false;

  /** @param unheard is told of a wake-up for which nobody here waits */
  constructor(driver: Driver, prefix: string, unheard: (key: string) => void = () => {}) {
    this.#driver = driver;
    this.#unheard = unheard;
    this.channel = `${prefix}~wake:${randomBytes(12).toString('base64url')}`;
  }

  isWatched(key: string): boolean {
    return this.#watchers.has(key);
  }

  watch(key: string, wake: () => void): Stop {
    if (this.#closed) return () => {};
    const set = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, set);
    const entry = () => wake();
    set.add(entry);
    this.#stop ??= this.#driver.subscribe(
      this.channel,
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
    else if (!this.#closed) this.#unheard(key);
  }

  #wake(key: string): void {
    // A copy: a woken waiter may stop watching at once.
    for (const wake of [...(this.#watchers.get(key) ?? [])]) wake();
  }

  #wakeAll(): void {
    for (const key of [...this.#watchers.keys()]) this.#wake(key);
  }
}
