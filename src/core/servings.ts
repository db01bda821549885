import type { Mode } from './backend.js';
import type { Caller } from './caller.js';
import { ownerDigest, type Ports } from './clock.js';
import type { Emitter } from './events.js';
import { abandonInBackground, release, type StoreContext } from './giving-back.js';
import type { Turn } from './lease.js';
import { type HoldContext, LiveHold } from './live-hold.js';
import { Serving, type ServingHost } from './serving.js';
import type { Answer } from './waiting.js';

export type Granted = Extract<Answer, { outcome: 'granted' }>;

export interface ServingsContext {
  readonly store: StoreContext;
  readonly hold: HoldContext;
  readonly emitter: Emitter;
  /** A hold was lost before these callers had their turn. */
  readonly onLoss: (unserved: readonly Caller[]) => void;
  /** A hold was given back. */
  readonly onOver: () => void;
}

/** What this process holds of one name: usually one hold, several in shared mode or while the work of a lost one still runs. */
export class Servings implements ServingHost {
  readonly ports: Ports;
  readonly emitter: Emitter;
  readonly #context: ServingsContext;
  /** Each with the grant that it came from. */
  readonly #all = new Map<Serving, Granted>();

  constructor(context: ServingsContext) {
    this.#context = context;
    this.ports = context.store.ports;
    this.emitter = context.emitter;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Serving> {
    return this.#all.keys();
  }

  /** Callers whose turn has not begun, in order. */
  get unserved(): Caller[] {
    return [...this.#all.keys()].flatMap((serving) => serving.unserved);
  }

  withdraw(caller: Caller): boolean {
    for (const serving of this.#all.keys()) if (serving.withdraw(caller)) return true;
    return false;
  }

  /** Whether a hold of this process stands in the way of a request in this mode. */
  conflict(mode: Mode): boolean {
    for (const { hold } of this.#all.keys()) {
      if (hold.loss === undefined && (mode === 'exclusive' || hold.held.mode === 'exclusive')) return true;
    }
    return false;
  }

  serve(granted: Granted, batch: Caller[]): void {
    const { ask, grant, sentAt } = granted;
    const held = { name: ask.name, owner: ask.owner, mode: ask.mode, ttlMs: ask.ttlMs };
    const start = { held, grant, sentAt, metadata: ask.metadata };
    const serving = new Serving(this, batch, (onLoss) => new LiveHold(this.#context.hold, start, onLoss));
    this.#all.set(serving, granted);
    serving.start();
  }

  giveBack(serving: Serving, lastTurn: Turn | undefined, done: () => void): void {
    const { store } = this.#context;
    release(store, serving.hold.held, (outcome) => {
      if (lastTurn !== undefined) lastTurn.releaseOutcome = outcome;
      // A turn that was lost has had its event.
      if (lastTurn !== undefined && lastTurn.loss === undefined) {
        this.emitter.emit('released', () => ({ ...lastTurn.event(), outcome, handedOn: false }));
      }
      done();
    });
  }

  lost(unserved: readonly Caller[]): void {
    this.#context.onLoss(unserved);
  }

  over(serving: Serving): void {
    const granted = this.#all.get(serving);
    this.#all.delete(serving);
    // A copy of the ask may still be under way: the store must refuse it when it arrives, however the hold ended.
    if (granted?.uncertain === true) abandonInBackground(this.#context.store, granted.ask, 'lock');
    this.#context.onOver();
  }

  /** Ends what is held under these owners' digests. */
  revoked(digests: ReadonlySet<string>, reason: string): void {
    for (const { hold } of [...this.#all.keys()]) if (digests.has(ownerDigest(hold.held.owner))) hold.end('revoked', reason);
  }

  /** By fence, because the answers of two thieves may arrive in either order. */
  stolenBy(fence: bigint, reason: string): void {
    for (const { hold } of [...this.#all.keys()]) if (hold.grant.fences.last < fence) hold.end('stolen', reason);
  }
}
