import { randomBytes } from 'node:crypto';
import { asciiName } from '../../core/ascii.js';
import type { Stop } from '../../core/backend.js';
import type { LockName } from '../../core/name.js';
import type { Driver } from './driver.js';

/**
 * Wake-ups of this process: one channel, on one connection that is opened when somebody first listens. A message is the encoded name of
 * a lock. Whoever listens is also woken whenever messages begin to arrive, because some may have been missed.
 */
export class Wakes {
  readonly #driver: Driver | undefined;
  readonly #own: string;
  readonly #watchers = new Map<string, Set<() => void>>();
  #stop: Stop | undefined;
  #impossible = false;
  #closed = false;

  /** @param driver undefined: nobody is ever woken */
  constructor(driver: Driver | undefined) {
    this.#driver = driver;
    // An identifier, which ends after 63 bytes.
    this.#own = `holdfast_${randomBytes(12).toString('hex')}`;
  }

  /** Written down with every place in a queue: whoever frees the name notifies it. Empty if nobody would hear it. */
  get channel(): string {
    return this.#driver === undefined || this.#impossible ? '' : this.#own;
  }

  watch(name: LockName, wake: () => void): Stop {
    if (this.#closed || this.#driver === undefined) return () => {};
    const key = asciiName(name.encoded);
    const set = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, set);
    const entry = () => wake();
    set.add(entry);
    this.#stop ??= this.#driver.listen(this.#own, {
      message: (text) => this.#wake(text),
      active: () => this.#wakeAll(),
      impossible: () => {
        this.#impossible = true;
      },
    });
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
