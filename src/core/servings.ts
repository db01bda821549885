import type { Ask, LockRecord, Mode } from './backend.js';
import { type Caller, sameWant, type Wanted } from './caller.js';
import { type Instant, ownerDigest } from './clock.js';
import { notesBefore, notesOf, type PastTurn, pastTurn } from './earlier-turns.js';
import { abandonInBackground, release, type StoreContext } from './giving-back.js';
import type { Turn } from './lease.js';
import { limits } from './limits.js';
import type { Granted, HoldContext } from './live-hold.js';
import { Serving, type ServingHost } from './serving.js';
import type { Notes } from './tracer.js';
import { noNotes } from './tracing.js';

/** The queue of the name, as its holds see it. */
export interface ServingsHost {
  readonly store: StoreContext;
  readonly holdContext: HoldContext;
  /** Whether somebody waits whom this hold could serve. */
  hasLatecomer(granted: Granted): boolean;
  takeLatecomer(): Caller | undefined;
  /** A hold was lost before these callers had their turn. */
  unservedBack(unserved: readonly Caller[]): void;
  /** A release was sent, and not answered yet. */
  givingBack(): void;
  /** A hold was given back. */
  partOver(): void;
}

/** What this process holds of one name: usually one hold, several in shared mode or while the work of a lost one still runs. */
export class Servings implements ServingHost {
  readonly #host: ServingsHost;
  #all: Serving[] = [];
  /** Turns of the last hold. */
  #served = 0;
  /** Where a tracer follows: of the hold that was given back last. */
  #past: PastTurn | undefined;

  constructor(host: ServingsHost) {
    this.#host = host;
  }

  get holdContext(): HoldContext {
    return this.#host.holdContext;
  }

  get size(): number {
    return this.#all.length;
  }

  [Symbol.iterator](): Iterator<Serving> {
    // A copy: one may end while somebody looks at them.
    return [...this.#all].values();
  }

  /** Callers whose turn has not begun, in order. */
  get unserved(): Caller[] {
    return this.#all.flatMap((serving) => serving.unserved);
  }

  withdraw(caller: Caller): boolean {
    return this.#all.some((serving) => serving.withdraw(caller));
  }

  /** Whether a hold of this process stands in the way of a request in this mode. */
  conflict(mode: Mode): boolean {
    return this.#all.some(({ hold }) => hold.loss === undefined && (mode === 'exclusive' || hold.held.mode === 'exclusive'));
  }

  /** For those who wait, and for latecomers: twice the turns that the last hold came to, so that few fences go unused. */
  fencesWanted(mode: Mode, waiting: number): number {
    if (mode === 'shared' || !this.#host.store.backend.traits.queue) return waiting;
    return Math.max(waiting, Math.min(2 * this.#served, limits.fencesPerGrantMax));
  }

  forgetPast(): void {
    this.#served = 0;
    this.#past = undefined;
  }

  /** Whoever asked has gone. */
  grantedToNobody(ask: Ask): void {
    this.forgetPast();
    abandonInBackground(this.#host.store, ask, 'lock');
  }

  /** @param holders those that it was refused for before */
  serve(granted: Granted, batch: Caller[], holders: readonly LockRecord[] | undefined): void {
    const serving = new Serving(this, granted, batch, notesBefore(batch, holders, this.#all, this.#past));
    // One is the common case, and a literal takes the least room; with more, room matters less than time.
    if (this.#all.length === 0) this.#all = [serving];
    else this.#all.push(serving);
    serving.start();
  }

  giveBack(serving: Serving, lastTurn: Turn | undefined, done: () => void): void {
    const { store, holdContext } = this.#host;
    release(store, serving.hold.held, (outcome) => {
      if (lastTurn !== undefined) lastTurn.releaseOutcome = outcome;
      // A turn that was lost has had its event.
      if (lastTurn !== undefined && lastTurn.loss === undefined) {
        holdContext.emitter.emit('released', () => Object.assign(lastTurn.event(), { outcome, handedOn: false }), lastTurn);
      }
      done();
    });
    this.#served = serving.served;
    const { notes } = serving;
    if (notes !== undefined) this.#past = pastTurn(notes, serving.hold.held.owner, store.ports.now());
    this.#host.givingBack();
  }

  /** For a tracer: whom somebody waits behind. `holders`: those that the store named. */
  notes(holders?: readonly LockRecord[]): Notes {
    if (holders !== undefined) return notesOf(holders, this.#all, this.#past);
    return this.#all.flatMap(({ notes }) => notes ?? noNotes);
  }

  /** How much longer a hold of this process may come to those who want this and come now. */
  openForMs(wanted: Wanted, now?: Instant): number {
    // Without a queue in the store nobody else would be sure of a turn afterwards.
    if (this.#all.length === 0 || !this.#host.store.backend.traits.queue) return 0;
    const at = now ?? this.#host.store.ports.now();
    let longestMs = 0;
    for (const serving of this.#all) {
      const { ask, wanted: metadata } = serving.hold.granted;
      if (sameWant(wanted, ask, metadata)) longestMs = Math.max(longestMs, serving.openForMs(at));
    }
    return longestMs;
  }

  hasLatecomer(serving: Serving, now: Instant): boolean {
    if (!this.#host.store.backend.traits.queue || !this.#host.hasLatecomer(serving.hold.granted)) return false;
    return serving.openForMs(now) > 0;
  }

  takeLatecomer(): Caller | undefined {
    return this.#host.takeLatecomer();
  }

  lost(unserved: readonly Caller[]): void {
    this.forgetPast();
    this.#host.unservedBack(unserved);
  }

  over(serving: Serving): void {
    const index = this.#all.indexOf(serving);
    if (index < 0) return;
    if (this.#all.length === 1) this.#all = [];
    else this.#all.splice(index, 1);
    const { uncertain, ask } = serving.hold.granted;
    // A copy of the ask may still be under way: the store must refuse it when it arrives, however the hold ended.
    if (uncertain) abandonInBackground(this.#host.store, ask, 'lock');
    this.#host.partOver();
  }

  /** Ends what is held under these owners' digests. */
  revoked(digests: ReadonlySet<string>, reason: string): void {
    for (const { hold } of [...this.#all]) if (digests.has(ownerDigest(hold.held.owner))) hold.end('revoked', reason);
  }

  /** By fence, because the answers of two thieves may arrive in either order. */
  stolenBy(fence: bigint, reason: string): void {
    for (const { hold } of [...this.#all]) if (hold.fences.last < fence) hold.end('stolen', reason);
  }
}
