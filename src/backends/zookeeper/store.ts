import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { LockRecord } from '../../core/backend.js';
import { type Calls, callTimeoutMs } from '../../core/calls.js';
import type { Acls } from './client.js';
import { Keeping, type Kept } from './keeping.js';
import { Operation } from './operation.js';
import type { Settings } from './options.js';
import { type Child, lifeNode, Paths, type View, viewOf } from './paths.js';
import type { Session } from './session.js';
import type { Sessions } from './sessions.js';
import { Tidying } from './tidying.js';
import { type Known, knownOf, recordOf, StoreClock } from './values.js';
import { Wakes } from './wakes.js';

/** Names of which it is remembered that others use them, too; and nodes whose content is. */
const rememberedMax = 2_000;
/** How long a name that was seen in use is looked at before it is written to. */
const inUseMs = 2_000;
/** Pause before the removal of a node that failed is tried again. */
const endAgainMs = 250;

/** What all calls of a backend share. */
export class Store {
  readonly paths: Paths;
  readonly keeping = new Keeping((kept) => void this.#end(kept));
  readonly wakes = new Wakes();
  readonly clock = new StoreClock();
  readonly tidying: Tidying;
  readonly sessions: Sessions;
  readonly #calls: Calls;
  readonly #acls: Acls | undefined;
  readonly #commandTimeoutMs: number;
  /** Until when a name counts as one that others use. */
  readonly #inUse = new Map<string, number>();
  readonly #known = new Map<string, Known>();
  /** Since when the head of a queue could have had its turn, by the path of its place. */
  readonly #offered = new Map<string, { readonly version: number; readonly sinceMs: number }>();
  readonly #unique = randomBytes(9).toString('base64url');
  #lives = 0;

  constructor(sessions: Sessions, calls: Calls, settings: Settings) {
    this.sessions = sessions;
    this.#calls = calls;
    this.#acls = settings.acl;
    this.#commandTimeoutMs = settings.commandTimeoutMs;
    this.paths = new Paths(settings.root);
    this.tidying = new Tidying(this);
  }

  operation(ttlMs: number, doing: string, ratio?: number): Operation {
    return this.within(this.sessions.of(ttlMs), callTimeoutMs(this.#commandTimeoutMs, ttlMs, ratio), doing);
  }

  /** Not about a lease. */
  question(doing: string): Operation {
    return this.within(this.sessions.any(), this.#commandTimeoutMs, doing);
  }

  within(session: Session, timeoutMs: number, doing: string): Operation {
    return new Operation(session, this.#calls, timeoutMs, doing, this.#acls);
  }

  isInUse(parent: string): boolean {
    return (this.#inUse.get(parent) ?? 0) > performance.now();
  }

  used(parent: string): void {
    remember(this.#inUse, parent, performance.now() + inUseMs);
  }

  unused(parent: string): void {
    this.#inUse.delete(parent);
  }

  newLife(): string {
    this.#lives += 1;
    return lifeNode(`${this.#unique}${this.#lives.toString(36)}`);
  }

  async look(operation: Operation, parent: string): Promise<View | undefined> {
    const found = await operation.children(parent);
    return found === undefined ? undefined : viewOf(found.children, found.stat.version);
  }

  /** How long this place has been first in line for something that is free. Counted anew after each grant. */
  offeredMs(parent: string, { node }: Child, { version }: View): number {
    const path = `${parent}/${node}`;
    const offer = this.#offered.get(path);
    if (offer?.version === version) return performance.now() - offer.sinceMs;
    remember(this.#offered, path, { version, sinceMs: performance.now() });
    return 0;
  }

  notOffered(parent: string, { node }: Child): void {
    this.#offered.delete(`${parent}/${node}`);
  }

  /** Undefined if it is gone. */
  async known(operation: Operation, path: string): Promise<Known | undefined> {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const node = await operation.read(path);
    if (node === undefined) return undefined;
    const read = knownOf(node.data, node.stat, path);
    remember(this.#known, path, read);
    return read;
  }

  async record(operation: Operation, parent: string, child: Child, held: boolean): Promise<LockRecord | undefined> {
    const path = `${parent}/${child.node}`;
    const known = await this.known(operation, path);
    if (known === undefined) return undefined;
    return recordOf(parent, child, known, held ? { expiresInMs: this.#leftMs(path, known) } : undefined, this.clock.nowMs());
  }

  /** Without those that have gone meanwhile. */
  async records(operation: Operation, parent: string, children: readonly Child[], held: boolean): Promise<readonly LockRecord[]> {
    const all = await Promise.all(children.map((child) => this.record(operation, parent, child, held)));
    return all.filter((record) => record !== undefined);
  }

  async close(): Promise<void> {
    this.tidying.close();
    await this.tidying.leave(this.keeping.takeAll()).catch(() => {});
    this.wakes.close();
    await this.sessions.close();
  }

  sessionEnded(session: Session): void {
    this.keeping.forgetSession(session);
    this.wakes.sessionEnded(session);
  }

  /** How long another process's hold lasts without being renewed is known to that process alone: at most its TTL. */
  #leftMs(path: string, { ttlMs }: Known): number {
    const kept = this.keeping.get(path);
    return kept === undefined ? ttlMs : Math.max(0, kept.dueMs - performance.now());
  }

  async #end(kept: Kept): Promise<void> {
    const { session, path, parent, version, lasting } = kept;
    try {
      const operation = this.within(lasting ? this.sessions.any() : session, this.#commandTimeoutMs, 'ending a lease');
      const removed = await operation.remove(path, version);
      if (removed === undefined) {
        // Made anew in another session: no longer ours to end.
        return;
      }
      this.tidying.soon(parent);
    } catch {
      this.keeping.again(kept, endAgainMs);
    }
  }
}

/** The oldest make room. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > rememberedMax) for (const oldest of map.keys()) return void map.delete(oldest);
}
