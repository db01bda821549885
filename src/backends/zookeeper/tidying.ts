import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers';
import type { Kept } from './keeping.js';
import type { Operation } from './operation.js';
import type { View } from './paths.js';
import type { Session } from './session.js';

/** A name that has just been released is often asked for again. */
const restMs = 1_000;
/** Names that are looked after at the same time when the backend is closed, and how long that may take. */
const leavingMax = 1_000;
const leavingMs = 1_000;

/** What is needed of the store. */
interface Store {
  question(doing: string): Operation;
  within(session: Session, timeoutMs: number, doing: string): Operation;
  look(operation: Operation, parent: string): Promise<View | undefined>;
  unused(parent: string): void;
}

/**
 * Takes away the nodes of names that nobody uses. Always safe: a node with children stays, and whoever finds it gone makes
 * it again.
 */
export class Tidying {
  readonly #store: Store;
  readonly #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Nobody waits for it. */
  soon(parent: string): void {
    if (this.#closed) return;
    this.#waiting.add(parent);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const all = [...this.#waiting];
      this.#waiting.clear();
      for (const each of all) this.#tidy(each).catch(() => {});
    }, restMs);
    this.#timer.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** What this backend leaves behind, with the names that only it has used. */
  async leave(kept: readonly Kept[]): Promise<void> {
    const endMs = performance.now() + leavingMs;
    const ours = kept.filter(
      ({ session, lasting, generation }) => session.connected && !lasting && generation === session.generation,
    );
    const left = ours.slice(0, leavingMax).map(async ({ session, path, parent }) => {
      const operation = this.#store.within(session, Math.max(1, endMs - performance.now()), 'closing');
      await operation.remove(path);
      this.#waiting.add(parent);
    });
    await Promise.allSettled(left);
    await Promise.allSettled([...this.#waiting].slice(0, leavingMax).map((parent) => this.#tidy(parent)));
  }

  async #tidy(parent: string): Promise<void> {
    const operation = this.#store.question('tidying');
    const view = await this.#store.look(operation, parent);
    if (view === undefined) return this.#store.unused(parent);
    const { holders, places, abandoned, revoked, lives } = view;
    if (holders.length + places.length + abandoned.size + revoked.size > 0) return;
    const answer = await operation.commit((steps) => {
      for (const life of lives) steps.remove(`${parent}/${life}`);
      steps.remove(parent);
    });
    if (answer.done) this.#store.unused(parent);
  }
}
