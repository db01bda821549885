import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { between, pick, random, weighted } from '../random.mjs';
import { times } from '../times.mjs';

/** How often each thing goes wrong, relative to the others. */
const weights = { freeze: 3, kill: 3, cut: 3, hold: 4, 'freeze in mid-charge': 4 };

const charging = 'POST /charges';

/**
 * Does to the workers what happens to processes in production, one thing after the other, each to a worker that is well. The plan is the same for the
 * same seed; what it meets is not.
 */
export class Faults {
  counts = Object.fromEntries(Object.keys(weights).map((kind) => [kind, 0]));
  #next;
  #workers;
  #say;
  #stopping = new AbortController();
  #stopped = once(this.#stopping.signal, 'abort').then(() => undefined);
  #running = new Set();
  /** Requests that stand still in the network. */
  #held = new Set();

  constructor(seed, workers, say) {
    this.#next = random(seed);
    this.#workers = workers;
    this.#say = say;
  }

  /** Goes on until it is stopped. */
  async run() {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await pause(between(this.#next, ...times.faultEveryMs), undefined, { signal }).catch(() => {});
      const well = this.#workers.all.filter(({ trouble }) => trouble === undefined);
      // One is always left alone, so that somebody can go on.
      if (signal.aborted || well.length < 2) continue;
      this.#begin(weighted(this.#next, weights), pick(this.#next, well));
    }
  }

  /** No more faults; resolves when all workers are well again. What is held in the network stays there. */
  async stop() {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  /** Delivers what is still held, after everything else. The provider may never answer; what it does with it, it has done by then. */
  async deliver() {
    const held = [...this.#held];
    this.#held.clear();
    await Promise.race([Promise.all(held.map((request) => request.deliver())), pause(times.lateMs[1] + 1_000)]);
    return held.length;
  }

  #begin(kind, worker) {
    this.counts[kind] += 1;
    worker.trouble = kind;
    this.#say(`${worker.name}: ${kind}`);
    const over = this[kind](worker)
      .catch((error) => console.error(error))
      .finally(() => {
        worker.trouble = undefined;
        this.#running.delete(over);
      });
    this.#running.add(over);
  }

  async freeze(worker) {
    worker.freeze();
    await this.#wait(times.freezeMs);
    worker.wake();
  }

  async kill(worker) {
    await worker.restart();
  }

  /** The network to one server is gone: silent, or every connection is reset and the next ones are silent. */
  async cut(worker) {
    const proxy = worker.proxies.to(pick(this.#next, worker.proxies.targets));
    if (this.#next() < 0.5) proxy.reset();
    proxy.silence();
    await this.#wait(times.cutMs);
    proxy.speak();
  }

  /** A charge stands still on its way to the provider. The worker gives up waiting, and nobody knows what became of it. */
  async hold(worker) {
    const held = await this.#nextCharge(worker);
    if (held !== undefined) this.#keep(held);
  }

  /** The same, and the worker stands still with it: it can tell nobody. */
  async ['freeze in mid-charge'](worker) {
    const held = await this.#nextCharge(worker);
    if (held === undefined) return;
    worker.freeze();
    this.#keep(held);
    await this.#wait(times.freezeMs);
    worker.wake();
  }

  /** Undefined if the run was over before there was one. */
  #nextCharge(worker) {
    return Promise.race([worker.proxies.to('provider').hold(charging), this.#stopped]);
  }

  /** Half of them arrive a while later, by when somebody else may have charged; the others after everything else. */
  #keep(held) {
    this.#held.add(held);
    if (this.#next() < 0.5) return;
    const timer = setTimeout(
      () => {
        if (this.#held.delete(held)) void held.deliver();
      },
      between(this.#next, ...times.holdMs),
    );
    timer.unref();
  }

  #wait(range) {
    return pause(between(this.#next, ...range));
  }
}
