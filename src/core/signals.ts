/**
 * One listener per signal, however many callers wait under it: a signal that stops a whole server is given to thousands of
 * requests, and Node warns of more than ten listeners. Nothing is left on a signal under which nobody waits.
 */
export class Signals {
  readonly #watched = new WeakMap<AbortSignal, WatchedSignal>();

  /** `leave` is called when the signal aborts. The function returned takes it back. */
  listen(signal: AbortSignal, leave: () => void): () => void {
    let watched = this.#watched.get(signal);
    if (watched === undefined) {
      watched = new WatchedSignal(signal);
      this.#watched.set(signal, watched);
    }
    return watched.add(leave);
  }
}

class WatchedSignal {
  readonly #signal: AbortSignal;
  readonly #leaving = new Set<() => void>();
  readonly #onAbort = () => {
    // Each leaves the set when it goes.
    for (const leave of this.#leaving) leave();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(leave: () => void): () => void {
    if (this.#leaving.size === 0) this.#signal.addEventListener('abort', this.#onAbort);
    // A function of its own: the same one may be given twice.
    const entry = () => leave();
    this.#leaving.add(entry);
    return () => {
      if (this.#leaving.delete(entry) && this.#leaving.size === 0) this.#signal.removeEventListener('abort', this.#onAbort);
    };
  }
}
