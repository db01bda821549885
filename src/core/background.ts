import { backoffMs } from './backoff.js';
import { type Calls, isPermanent } from './calls.js';
import { elapsedMs, type Instant, type Ports, type Timer } from './clock.js';
import { detached } from './detached.js';
import { limits } from './limits.js';

/** Something that the store has to be told although nobody waits for it any more. */
export interface Errand {
  readonly kind: 'release' | 'withdrawal';
  /** Said if it has to be given up. */
  readonly warning: string;
  /** After this time nothing of it can be left in the store. */
  readonly mattersMs: number;
  readonly timeoutMs: number;
  readonly call: () => Promise<unknown>;
}

/** One errand: tried until the store answers, it no longer matters, or it is stopped. */
class Run {
  readonly errand: Errand;
  /** The first try has failed. */
  retrying = false;
  readonly #ports: Ports;
  readonly #calls: Calls;
  readonly #since: Instant;
  readonly #changed: (run: Run) => void;
  #failures = 0;
  #timer: Timer | undefined;
  #over = false;

  constructor(errand: Errand, ports: Ports, calls: Calls, changed: (run: Run) => void) {
    this.errand = errand;
    this.#ports = ports;
    this.#calls = calls;
    this.#since = ports.now();
    this.#changed = changed;
  }

  get over(): boolean {
    return this.#over;
  }

  try(): void {
    const { kind, timeoutMs, call } = this.errand;
    const stop = () => this.stop();
    const op = kind === 'release' ? 'release' : 'abandon';
    this.#calls.within(timeoutMs, this.#ports.now(), 'giving back', call, stop, (error) => this.failed(error), op);
  }

  failed(error: unknown): void {
    if (this.#over) return;
    const { mattersMs, warning } = this.errand;
    const forMs = elapsedMs(this.#since, this.#ports.now());
    if (isPermanent(error) || forMs >= mattersMs) {
      this.#ports.warn(warning, error);
      return this.stop();
    }
    this.#failures += 1;
    this.retrying = true;
    const slowestMs = Math.min(limits.backgroundPauseMsMax, mattersMs * limits.backgroundPauseRatio);
    const pauseMaxMs = Math.max(limits.backoffMsMax, slowestMs);
    const backoff = backoffMs(this.#failures, limits.backoffMsMin, pauseMaxMs, this.#ports.random());
    // The last try at the very end.
    const pauseMs = Math.min(backoff, mattersMs - forMs);
    this.#timer = this.#ports.timer(pauseMs, () => this.try(), forMs >= limits.backgroundAliveMs);
    this.#changed(this);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#over = true;
    this.#changed(this);
  }
}

/** Work that nobody waits for, remembered so that `close` can. */
export class Background {
  readonly #ports: Ports;
  readonly #calls: Calls;
  readonly #callbacks = new Set<Promise<void>>();
  /** In the order in which they began. */
  readonly #runs = new Set<Run>();
  readonly #retrying = new Set<Run>();
  #warnedOfOverflow = false;
  #whenDone: (() => void) | undefined;

  constructor(ports: Ports, calls: Calls) {
    this.#ports = ports;
    this.#calls = calls;
  }

  /** User code that holds no lock and that `close` waits for like any other. */
  callback(work: () => Promise<void>): void {
    const task: Promise<void> = work().finally(() => this.#callbacks.delete(task));
    this.#callbacks.add(task);
  }

  /** @param failure why the first try, which was the caller's, has failed */
  errand(errand: Errand, failure?: { readonly error: unknown }): void {
    detached(() => {
      const run = new Run(errand, this.#ports, this.#calls, (changed) => this.#changed(changed));
      this.#runs.add(run);
      if (failure === undefined) run.try();
      else run.failed(failure.error);
    });
  }

  async callbacksDone(): Promise<void> {
    while (this.#callbacks.size > 0) await Promise.allSettled(this.#callbacks);
  }

  /** Waits for all errands, but not longer than that; what is left is given up. */
  async finish(withinMs: number): Promise<void> {
    if (this.#runs.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#ports.timer(withinMs, resolve);
      this.#whenDone = () => {
        timer.cancel();
        resolve();
      };
    });
    const left = [...this.#runs];
    for (const kind of ['release', 'withdrawal'] as const) {
      const count = left.filter(({ errand }) => errand.kind === kind).length;
      if (count === 0) continue;
      this.#ports.warn(
        `closed before the store had answered ${count === 1 ? `a ${kind}` : `${count} ${kind}s`}`,
        new Error('what may be left in the store ends with its TTL'),
      );
    }
    for (const run of left) run.stop();
  }

  #changed(run: Run): void {
    if (run.over) {
      this.#runs.delete(run);
      this.#retrying.delete(run);
      if (this.#retrying.size === 0) this.#warnedOfOverflow = false;
      if (this.#runs.size === 0) this.#whenDone?.();
    } else if (run.retrying) {
      this.#retrying.add(run);
      this.#dropOldest();
    }
  }

  #dropOldest(): void {
    if (this.#retrying.size <= limits.backgroundMax) return;
    if (!this.#warnedOfOverflow) {
      this.#warnedOfOverflow = true;
      this.#ports.warn(
        `more than ${limits.backgroundMax} releases and withdrawals wait for the store to come back: the oldest are dropped`,
        new Error('what may be left of them in the store ends with its TTL'),
      );
    }
    for (const oldest of this.#retrying) return oldest.stop();
  }
}
