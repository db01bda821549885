import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers';
import type { Session } from './session.js';

/** A node of ours that has an end of its own. */
export interface Kept {
  readonly parent: string;
  readonly path: string;
  readonly session: Session;
  readonly generation: number;
  /** A hold with nobody else beside or behind it when it was granted. */
  readonly alone: boolean;
  /** It does not end with the session. */
  readonly lasting: boolean;
  dueMs: number;
  /** Of the node: another one where it was made anew in another session. */
  version: number;
  /** Being proven right now: not to be ended meanwhile. */
  busy: number;
}

/** No two looks at all of them are closer. */
const pauseMsMin = 20;

/**
 * Ends in the store what nobody renews here any more. A node lives as long as its session, and that is kept alive by the
 * client library, whatever becomes of a single lease; so each node's TTL is kept by the process that made it. When the
 * process stops, nothing keeps its session alive, and the servers end both.
 */
export class Keeping {
  readonly #kept = new Map<string, Kept>();
  readonly #end: (kept: Kept) => void;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #closed = false;

  /** @param end called once for each whose time is over; it is forgotten by then */
  constructor(end: (kept: Kept) => void) {
    this.#end = end;
  }

  /** @param more.version of the node, where it has been written to since it was made */
  add(
    session: Session,
    parent: string,
    node: string,
    ttlMs: number,
    more: Partial<Pick<Kept, 'alone' | 'lasting' | 'version'>> = {},
  ): Kept {
    const path = `${parent}/${node}`;
    const dueMs = performance.now() + ttlMs;
    const { alone = false, lasting = false, version = 0 } = more;
    const kept = { parent, path, session, generation: session.generation, alone, lasting, dueMs, version, busy: 0 };
    this.#kept.set(path, kept);
    this.#arm(dueMs);
    return kept;
  }

  /**
   * About to be made. If nobody ever hears whether it was, its end comes all the same.
   *
   * @returns how to take that back, once it is known that it was not made
   */
  expect(session: Session, parent: string, node: string, withinMs: number): () => void {
    if (this.get(`${parent}/${node}`) !== undefined) return () => {};
    const kept = this.add(session, parent, node, withinMs);
    return () => {
      if (this.#kept.get(kept.path) === kept) this.#kept.delete(kept.path);
    };
  }

  /** Undefined if it is not ours, or its session is over. */
  get(path: string): Kept | undefined {
    const kept = this.#kept.get(path);
    return kept !== undefined && isThere(kept) ? kept : undefined;
  }

  /** Its time begins anew. */
  renew(kept: Kept, ttlMs: number): void {
    kept.dueMs = performance.now() + ttlMs;
    this.#arm(kept.dueMs);
  }

  /** Back, after it could not be ended. */
  again(kept: Kept, inMs: number): void {
    if (!isThere(kept) || this.#kept.has(kept.path)) return;
    kept.dueMs = performance.now() + inMs;
    this.#kept.set(kept.path, kept);
    this.#arm(kept.dueMs);
  }

  forget(path: string): void {
    this.#kept.delete(path);
  }

  /** The servers have ended all that was made in it. */
  forgetSession(session: Session): void {
    for (const kept of this.#kept.values()) if (kept.session === session && !kept.lasting) this.#kept.delete(kept.path);
  }

  /** From here on nothing is ended: the session is, and answers to what is still under way come to nothing. */
  takeAll(): readonly Kept[] {
    this.#closed = true;
    clearTimeout(this.#timer);
    const all = [...this.#kept.values()];
    this.#kept.clear();
    return all;
  }

  #arm(atMs: number): void {
    if (atMs >= this.#timerAtMs || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => this.#fire(), Math.max(pauseMsMin, atMs - performance.now()));
    this.#timer.unref();
  }

  #fire(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const kept of this.#kept.values()) {
      if (kept.dueMs <= nowMs && kept.busy === 0) {
        this.#kept.delete(kept.path);
        this.#end(kept);
      } else {
        nextMs = Math.min(nextMs, Math.max(kept.dueMs, nowMs + pauseMsMin));
      }
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(nextMs);
  }
}

function isThere({ lasting, generation, session }: Kept): boolean {
  return lasting || generation === session.generation;
}
