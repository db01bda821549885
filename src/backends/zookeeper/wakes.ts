import type { Stop } from '../../core/backend.js';
import { codeOf, codes } from './client.js';
import type { Child, View } from './paths.js';
import type { Session } from './session.js';

/** The library's number of that event. */
const nodeDeleted = 2;

/**
 * Who listens to which name, and which nodes are watched for them: each process watches the one node whose end can change
 * its own place in line, so that a release wakes one waiter and not all.
 */
export class Wakes {
  readonly #listeners = new Map<string, Set<{ readonly wake: () => void }>>();
  /** Nodes that are watched, in which session, and the names that are woken. The library cannot stop watching. */
  readonly #watched = new Map<string, { readonly session: Session; readonly parent: string }>();
  /** What a waiter will see when the holder before it has gone, and whether it has. */
  readonly #foreseen = new Map<string, { readonly path: string; readonly view: View; isSo: boolean }>();
  #closed = false;

  watch(parent: string, wake: () => void): Stop {
    const all = this.#listeners.get(parent) ?? new Set();
    this.#listeners.set(parent, all);
    const entry = { wake };
    all.add(entry);
    return () => {
      all.delete(entry);
      if (all.size === 0 && this.#listeners.get(parent) === all) this.#listeners.delete(parent);
    };
  }

  /** One watch for each node, however often it is asked for. */
  until(session: Session, parent: string, node: string): void {
    const path = `${parent}/${node}`;
    if (this.#watched.has(path) || this.#closed) return;
    const entry = { session, parent };
    this.#watched.set(path, entry);
    const over = (event?: unknown) => {
      if (this.#watched.get(path) !== entry) return;
      this.#watched.delete(path);
      if ((event as { type?: unknown } | undefined)?.type === nodeDeleted) this.#hasGone(path);
      this.#wake(parent);
    };
    session
      .send<void>((client, done) => client.getData(path, over, (error) => done(error, undefined)))
      .catch((error: unknown) => {
        if (this.#watched.get(path) !== entry) return;
        // Gone before it could be watched; otherwise the poll will do.
        if (codeOf(error) === codes.noNode) over();
        else this.#watched.delete(path);
      });
  }

  /** The owner may be granted what it waits for without another look: the grant fails if the name has changed. */
  foresee(parent: string, id: string, before: Child, view: View): void {
    this.#foreseen.set(`${parent} ${id}`, { path: `${parent}/${before.node}`, view, isSo: false });
  }

  /** At most once. */
  foreseen(parent: string, id: string): View | undefined {
    const key = `${parent} ${id}`;
    const foreseen = this.#foreseen.get(key);
    if (foreseen === undefined) return undefined;
    this.#foreseen.delete(key);
    return foreseen.isSo ? foreseen.view : undefined;
  }

  forget(parent: string, id: string): void {
    this.#foreseen.delete(`${parent} ${id}`);
  }

  /** Nothing will be heard of its watches any more. */
  sessionEnded(session: Session): void {
    for (const [path, entry] of this.#watched) {
      if (entry.session !== session) continue;
      this.#watched.delete(path);
      this.#wake(entry.parent);
    }
  }

  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    this.#watched.clear();
    this.#foreseen.clear();
  }

  #hasGone(path: string): void {
    for (const foreseen of this.#foreseen.values()) if (foreseen.path === path) foreseen.isSo = true;
  }

  #wake(parent: string): void {
    for (const { wake } of [...(this.#listeners.get(parent) ?? [])]) wake();
  }
}
