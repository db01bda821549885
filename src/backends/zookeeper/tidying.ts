import { performance } from 'node:perf_hooks';
import { setInterval, setTimeout } from 'node:timers';
import { limits } from '../../core/limits.js';
import type { Kept } from './keeping.js';
import type { Operation } from './operation.js';
import { revokedNode, type View } from './paths.js';
import type { Session } from './session.js';

/** A name that has just been released is often asked for again. */
const restMs = 1_000;
/** Names that are looked after at the same time when the backend is closed, and how long that may take. */
const leavingMax = 1_000;
const leavingMs = 1_000;

/** What crashed processes left behind is looked for so often, and so many names at a time. */
const sweepMs = 60_000;
const sweptMax = 100;
const straysMax = 1_000;

/** What is needed of the store. */
interface Store {
  readonly paths: { readonly locks: string };
  readonly sessions: { readonly anyConnected: boolean };
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
  /** Nodes without an end of their own, and when they were first seen. */
  readonly #strays = new Map<string, number>();
  readonly #sweeping: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
    // Not in step with other processes.
    const everyMs = sweepMs * (0.8 + 0.4 * Math.random());
    this.#sweeping = setInterval(() => {
      if (store.sessions.anyConnected) this.sweep().catch(() => {});
    }, everyMs);
    this.#sweeping.unref();
  }

  /** Some of all names, begun at any of them. @param strayMs how long a revocation is remembered, counted from here */
  async sweep(strayMs: number = limits.tombstoneMs): Promise<void> {
    const { locks } = this.#store.paths;
    const all = (await this.#store.question('tidying').children(locks))?.children ?? [];
    const start = Math.floor(Math.random() * all.length);
    for (let i = 0; i < Math.min(sweptMax, all.length) && !this.#closed; i++) {
      await this.#tidy(`${locks}/${all[(start + i) % all.length]}`, strayMs);
    }
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
    clearInterval(this.#sweeping);
    clearTimeout(this.#timer);
  }

  /** What this backend leaves behind, with the names that only it has used. */
  async leave(kept: readonly Kept[]): Promise<void> {
    const endMs = performance.now() + leavingMs;
    const ours = kept.filter(
      ({ session, lasting, generation }) => session.connected && !lasting && generation === session.generation,
    );
    const left = ours.slice(0, leavingMax).map(async ({ session, path, parent, version }) => {
      const operation = this.#store.within(session, Math.max(1, endMs - performance.now()), 'closing');
      await operation.remove(path, version);
      this.#waiting.add(parent);
    });
    await Promise.allSettled(left);
    await Promise.allSettled([...this.#waiting].slice(0, leavingMax).map((parent) => this.#tidy(parent)));
  }

  async #tidy(parent: string, strayMs = Number.POSITIVE_INFINITY): Promise<void> {
    const operation = this.#store.question('tidying');
    const view = await this.#store.look(operation, parent);
    if (view === undefined) return this.#store.unused(parent);
    const { holders, places, abandoned, revoked, lives } = view;
    let left = revoked.size;
    for (const id of revoked) {
      const path = `${parent}/${revokedNode(id)}`;
      if (this.#isStray(path, strayMs) && (await operation.remove(path)) !== undefined) left -= 1;
    }
    if (holders.length + places.length + abandoned.size + left > 0) return;
    const answer = await operation.commit((steps) => {
      for (const life of lives) steps.remove(`${parent}/${life}`);
      steps.remove(parent);
    });
    if (answer.done) this.#store.unused(parent);
  }

  /** Its time is over, counted from when it was first seen here: no clock is compared. */
  #isStray(path: string, strayMs: number): boolean {
    const nowMs = performance.now();
    const sinceMs = this.#strays.get(path);
    if (sinceMs === undefined) {
      this.#strays.set(path, nowMs);
      if (this.#strays.size > straysMax) for (const oldest of this.#strays.keys()) return !this.#strays.delete(oldest);
      return strayMs <= 0;
    }
    if (nowMs - sinceMs < strayMs) return false;
    this.#strays.delete(path);
    return true;
  }
}
