import { type Desk, steal, tryOnce } from './aside.js';
import { Asks, type AsksHost } from './asks.js';
import type { Refusal } from './backend.js';
import { type Caller, type GivenUp, sameWant } from './caller.js';
import { isPermanent } from './calls.js';
import { type Instant, ownerDigest, type Timer } from './clock.js';
import { type HoldfastError, LimitExceededError } from './errors.js';
import type { Emitter, LockEvent } from './events.js';
import { shownBeside } from './expected-hold.js';
import type { StoreContext } from './giving-back.js';
import { limits } from './limits.js';
import { Line } from './line.js';
import type { Granted, HoldContext } from './live-hold.js';
import type { LockName } from './name.js';
import type { Settings } from './options.js';
import { Servings, type ServingsHost } from './servings.js';
import type { Signals } from './signals.js';
import { timeoutError } from './timed-out.js';
import { noNotes } from './tracing.js';
import { type Answer, Asker } from './waiting.js';

export interface QueueContext {
  readonly store: StoreContext;
  readonly hold: HoldContext;
  readonly signals: Signals;
  /** Nothing is left in this queue. */
  readonly onIdle: (queue: NameQueue) => void;
}

/**
 * All callers of this process for one name. They queue here, and one ask stands for them in the store: for the run of
 * callers at the head that want the same. A grant serves those who were waiting when it came, up to `limits.batchMax`,
 * and for `limits.sliceMs` those who come while it runs; then it is given back, and the store decides who is next.
 */
export class NameQueue implements AsksHost, Desk, ServingsHost {
  readonly name: LockName;
  readonly servings = new Servings(this);
  readonly #context: QueueContext;
  readonly #line = new Line();
  /** The ask that stands for the head of the queue. */
  #asker: Asker | undefined;
  /** That one, those of callers that do not queue, and those given up during a call. */
  readonly #asks = new Asks(this);
  #aside: Map<Caller, Asker> | undefined;
  #stopWatching: (() => void) | undefined;
  /** While the running hold may come to those who wait. */
  #sliceTimer: Timer | undefined;
  #whenIdle: (() => void)[] | undefined;

  constructor(name: LockName, context: QueueContext) {
    this.name = name;
    this.#context = context;
  }

  get store(): StoreContext {
    return this.#context.store;
  }

  get emitter(): Emitter {
    return this.#context.hold.emitter;
  }

  get holdContext(): HoldContext {
    return this.#context.hold;
  }

  get aside(): Map<Caller, Asker> {
    this.#aside ??= new Map();
    return this.#aside;
  }

  get anyoneWaits(): boolean {
    return this.#line.size > 0;
  }

  /** Callers without a turn, in order. */
  get waiting(): Caller[] {
    return [...this.servings.unserved, ...this.#line, ...(this.#aside?.keys() ?? [])];
  }

  enter(caller: Caller): void {
    const { settings } = caller;
    if (settings.steal) return steal(this, caller);
    if (settings.ifAvailable || settings.waitMs === 0) {
      tryOnce(this, caller);
      return this.#idle();
    }
    if (this.#line.size >= limits.localQueueMax) {
      this.emitter.emit('refused', () => ({ ...this.event(settings), because: 'full', waitedMs: 0 }));
      const error = new LimitExceededError(
        `${limits.localQueueMax} callers already wait for "${this.name.text}" in this process: shed load before asking`,
      );
      caller.trace?.failed('full', error, noNotes);
      return caller.actions.fail(error);
    }
    this.#line.join(caller);
    this.limitWait(caller);
    this.#pump(caller.enqueuedAt);
  }

  /** Nobody waits here any more. Turns that have begun go on. */
  rejectWaiting(reason: () => HoldfastError): void {
    // All of them before the ask is looked at: it would be sent anew for each.
    for (const caller of this.waiting) if (this.#takeOut(caller)) this.giveUp(caller, 'closed', reason());
    this.#asks.giveUp();
    this.#pump();
  }

  unservedBack(unserved: readonly Caller[]): void {
    const queueing = unserved.filter(queues);
    this.#line.putBack(queueing);
    this.#pump();
    // Those who do not queue try again as they did before.
    for (const caller of unserved) {
      if (queueing.includes(caller)) continue;
      caller.stopWaiting();
      this.enter(caller);
    }
  }

  /** The ask behind it need not wait for its answer: stores take calls in the order in which they come, or refuse it once more. */
  givingBack(): void {
    // Without a queue in the store it would come before all other processes, every time.
    if (!this.store.backend.traits.queue) return;
    if (this.#asker?.mayBeNext) this.#asker.wake();
    this.#pump();
  }

  hasLatecomer({ ask, wanted }: Granted): boolean {
    const { head } = this.#line;
    return head !== undefined && sameWant(head.settings, ask, wanted);
  }

  takeLatecomer(): Caller | undefined {
    const caller = this.#line.takeHead();
    // Mostly nobody has asked for it yet.
    if (this.#asker !== undefined) this.#pump();
    return caller;
  }

  partOver(): void {
    this.#idle();
  }

  /** Resolves when nobody waits, asks or holds here. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenIdle = [...(this.#whenIdle ?? []), resolve];
      this.#idle();
    });
  }

  limitWait(caller: Caller): void {
    const { signal, waitMs } = caller.settings;
    const { store, signals } = this.#context;
    if (signal !== undefined) {
      caller.stopListening = signals.listen(signal, () => this.#leave(caller, 'aborted', signal.reason));
      // A listener of ours may have aborted it since the arguments were checked.
      if (signal.aborted) return this.#leave(caller, 'aborted', signal.reason);
    }
    // With 0 there is one try, and its own deadline ends it.
    if (waitMs !== undefined && waitMs > 0) {
      caller.waitTimer = store.ports.timer(waitMs, () => this.#leave(caller, 'timed-out', this.#timeoutError(caller, waitMs)));
    }
  }

  #timeoutError(caller: Caller, waitMs: number): HoldfastError {
    const asker = this.#aside?.get(caller) ?? this.#asker;
    const heardOf = asker?.heardOf !== false || this.servings.size > 0 || this.#asks.heardOfSince(caller.enqueuedAt.monotonicMs);
    return timeoutError(this.name.text, waitMs, asker?.failure, heardOf);
  }

  #leave(caller: Caller, because: GivenUp, reason: unknown): void {
    if (!this.#takeOut(caller)) return;
    this.giveUp(caller, because, reason);
    this.#pump();
  }

  #takeOut(caller: Caller): boolean {
    this.#aside?.get(caller)?.giveUp();
    return this.#aside?.delete(caller) || this.#line.leave(caller) || this.servings.withdraw(caller);
  }

  /** It will not have a turn. */
  giveUp(caller: Caller, because: GivenUp, reason: unknown): void {
    caller.stopWaiting();
    this.emitter.emit('abandoned', () => ({
      ...this.event(caller.settings),
      because,
      waitedMs: this.store.ports.now().monotonicMs - caller.enqueuedAt.monotonicMs,
    }));
    caller.trace?.failed(because, reason, this.servings.notes(this.#asker?.behind));
    caller.actions.fail(reason);
  }

  /** Makes the ask in the store fit the head of the queue. */
  #pump(now?: Instant): void {
    const { head } = this.#line;
    if (this.#asker !== undefined && (head === undefined || !sameWant(head.settings, this.#asker.want))) {
      this.#asker.giveUp();
      this.#asker = undefined;
    }
    if (head === undefined) {
      this.#endSlice();
      return this.#idle();
    }
    if (this.#asker !== undefined) return;
    const openForMs = this.servings.openForMs(head.settings, now);
    if (openForMs <= 0) this.#askFor(head);
    // Whoever is still there when the slice is over is asked for then, while the work of others goes on.
    else this.#sliceTimer ??= this.store.ports.timer(openForMs, () => this.#askFor(this.#line.head));
  }

  #askFor(head: Caller | undefined): void {
    this.#endSlice();
    if (head !== undefined) this.#asker ??= this.#ask(head);
  }

  #endSlice(): void {
    this.#sliceTimer?.cancel();
    this.#sliceTimer = undefined;
  }

  #ask(head: Caller): Asker {
    const { settings } = head;
    const { mode, ttlMs, metadata, alone, expectedHoldMs } = settings;
    const want = { name: this.name, mode, ttlMs, metadata, alone };
    const served = () => (alone ? 1 : this.#line.runLength(settings, limits.batchMax));
    const isShownMore = expectedHoldMs !== undefined || head.trace !== undefined;
    // Whoever is first now will have the first turn: the one that was may have left.
    const shown = () => {
      const { trace } = this.#line.head ?? head;
      return shownBeside(metadata, expectedHoldMs && this.#line.expectedHoldMs(served()), trace);
    };
    const asker: Asker = new Asker(this.#context.store, want, {
      once: false,
      fencesWanted: () => (alone ? 1 : this.servings.fencesWanted(mode, served())),
      metadata: isShownMore ? shown : undefined,
      listen: () => this.#listen(),
      onRefused: (refusal, ask) => this.#reportWaiting(asker, settings, refusal, ownerDigest(ask.owner)),
    });
    this.run(
      asker,
      (answer) => this.#answered(asker, settings, answer),
      (error) => this.#askFailed(asker, error),
    );
    return asker;
  }

  #answered(asker: Asker, settings: Settings, answer: Answer): void {
    if (this.#asker === asker) this.#asker = undefined;
    if (answer.outcome === 'granted') {
      const { first: from, last } = answer.grant.fences;
      const batch = this.#line.takeRun(settings, Math.min(limits.batchMax, Number(last - from + 1n)));
      if (batch.length > 0) this.servings.serve(answer, batch, asker.behind);
      else this.servings.grantedToNobody(answer.ask);
    }
    this.#pump();
  }

  #askFailed(asker: Asker, error: unknown): void {
    if (this.#asker !== asker) return;
    this.#asker = undefined;
    // The store has been away for as long as anyone may wait for it: true for all who wait now. But what it refuses for good
    // it refuses to those who ask for the same.
    const failed = this.#line.takeAll(isPermanent(error) ? asker.want : undefined);
    for (const caller of failed) this.giveUp(caller, 'failed', error);
    this.#pump();
  }

  run(asker: Asker, answered: (answer: Answer) => void, failed: (error: unknown) => void): void {
    this.#asks.run(asker, answered, failed);
  }

  /** True if listening has only begun now. It goes on until the queue is idle, so that a busy name costs nothing more. */
  #listen(): boolean {
    if (this.#stopWatching !== undefined) return false;
    this.#stopWatching = this.#context.store.backend.watch(this.name, () => this.#asker?.wake());
    return true;
  }

  #idle(): void {
    if (this.#line.size > 0 || this.servings.size > 0 || this.#asks.size > 0) return;
    this.servings.forgetPast();
    const stop = this.#stopWatching;
    this.#stopWatching = undefined;
    try {
      stop?.();
    } catch (error) {
      // A bug of the backend: it must not take with it what else ends in this step.
      this.store.ports.warn(`"${this.name.text}" could not be stopped being watched`, error);
    }
    this.#context.onIdle(this);
    const waiting = this.#whenIdle;
    this.#whenIdle = undefined;
    for (const tell of waiting ?? []) tell();
  }

  #reportWaiting(asker: Asker, settings: Settings, refusal: Refusal, owner: string): void {
    if (asker.reported) return;
    asker.reported = true;
    this.emitter.emit('waiting', () => ({ ...this.event(settings), owner, ahead: refusal.ahead }));
  }

  event({ mode, ttlMs }: Settings): LockEvent {
    return { name: this.name.text, mode, node: this.#context.hold.clientId, ttlMs };
  }
}

function queues({ settings }: Caller): boolean {
  return !settings.steal && !settings.ifAvailable && settings.waitMs !== 0;
}
