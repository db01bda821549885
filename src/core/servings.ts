import type { Mode } from './backend.js';
import type { Caller } from './caller.js';
import { ownerDigest } from './clock.js';
import type { Emitter } from './events.js';
import { abandonInBackground, release, type StoreContext } from './giving-back.js';
import { type HoldContext, LiveHold } from './live-hold.js';
import { Serving } from './serving.js';
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
export class Servings {
  readonly #context: ServingsContext;
  readonly #all = new Set<Serving>();

  constructor(context: ServingsContext) {
    this.#context = context;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Serving> {
    return this.#all.values();
  }

  /** Callers whose turn has not begun, in order. */
  get unserved(): Caller[] {
    return [...this.#all].flatMap((serving) => serving.unserved);
  }

  withdraw(caller: Caller): boolean {
    for (const serving of this.#all) if (serving.withdraw(caller)) return true;
    return false;
  }

  /** Whether a hold of this process stands in the way of a request in this mode. */
  conflict(mode: Mode): boolean {
    for (const { hold } of this.#all) {
      if (hold.loss === undefined && (mode === 'exclusive' || hold.held.mode === 'exclusive')) return true;
    }
    return false;
  }

  serve(granted: Granted, batch: Caller[]): void {
    const { ask, grant, sentAt } = granted;
    const held = { name: ask.name, owner: ask.owner, mode: ask.mode, ttlMs: ask.ttlMs };
    const { store, emitter, hold: holdContext, onLoss } = this.#context;
    const serving = new Serving({
      ports: store.ports,
      emitter,
      onLoss,
      release: (hold, lastTurn, done) =>
        release(store, hold.held, (outcome) => {
          if (lastTurn !== undefined) lastTurn.releaseOutcome = outcome;
          // A copy of the ask may still be under way: the store must refuse it when it arrives.
          if (granted.uncertain) abandonInBackground(store, ask);
          emitter.emit('released', () => ({ ...(lastTurn ?? hold).event(), outcome }));
          done();
        }),
      onOver: () => {
        this.#all.delete(serving);
        this.#context.onOver();
      },
    });
    this.#all.add(serving);
    const hold = new LiveHold(holdContext, { held, grant, sentAt, metadata: ask.metadata }, (loss) => serving.lose(loss));
    serving.start(hold, batch);
  }

  /** Ends what is held under these owners' digests. */
  revoked(digests: ReadonlySet<string>): void {
    for (const { hold } of [...this.#all]) if (digests.has(ownerDigest(hold.held.owner))) hold.end('revoked');
  }

  /** By fence, because the answers of two thieves may arrive in either order. */
  stolenBy(fence: bigint): void {
    for (const { hold } of [...this.#all]) if (hold.grant.fences.last < fence) hold.end('stolen');
  }
}
