import { type Desk, steal, tryOnce } from './aside.js';
import type { Refusal } from './backend.js';
import { type Caller, type GivenUp, sameWant } from './caller.js';
import { ownerDigest } from './clock.js';
import { BackendUnavailableError, type HoldfastError, LimitExceededError, WaitTimeoutError } from './errors.js';
import type { Emitter, LockEvent } from './events.js';
import { abandonInBackground, type StoreContext } from './giving-back.js';
import { limits } from './limits.js';
import type { HoldContext } from './live-hold.js';
import type { LockName } from './name.js';
import type { Settings } from './options.js';
import { Servings } from './servings.js';
import { type Answer, Asker, type AskerOptions, type Want } from './waiting.js';

export interface QueueContext {
  readonly store: StoreContext;
  readonly hold: HoldContext;
  readonly emitter: Emitter;
  readonly clientId: string;
  /** Nothing is left in this queue. */
  readonly onIdle: (queue: NameQueue) => void;
}

/**
 * All callers of this process for one name. They queue here, and one ask stands for them in the store: for the run of
 * callers at the head that want the same. A grant serves those who were waiting when it came, up to `limits.batchMax`;
 * then it is given back, and the store decides who is next.
 */
export class NameQueue implements Desk {
  readonly name: LockName;
  readonly #context: QueueContext;
  /** In order of arrival. A set: leaving from the middle is cheap. */
  #waiting = new Set<Caller>();
  readonly servings: Servings;
  /** The ask that stands for the head of the queue. */
  #asker: Asker | undefined;
  /** Every ask that has not come to its end: that one, those of callers that do not queue, and those given up during a call. */
  readonly #running = new Set<Asker>();
  readonly aside = new Map<Caller, Asker>();
  #stopWatching: (() => void) | undefined;
  readonly #whenIdle: (() => void)[] = [];

  constructor(name: LockName, context: QueueContext) {
    this.name = name;
    this.#context = context;
    this.servings = new Servings({
      store: context.store,
      hold: context.hold,
      emitter: context.emitter,
      onLoss: (unserved) => {
        this.#waiting = new Set([...unserved, ...this.#waiting]);
        this.#pump();
      },
      onOver: () => this.#idle(),
    });
  }

  get store(): StoreContext {
    return this.#context.store;
  }

  get emitter(): Emitter {
    return this.#context.emitter;
  }

  get clientId(): string {
    return this.#context.clientId;
  }

  get anyoneWaits(): boolean {
    return this.#waiting.size > 0;
  }

  /** Callers without a turn, in order. */
  get waiting(): Caller[] {
    return [...this.servings.unserved, ...this.#waiting, ...this.aside.keys()];
  }

  enter(caller: Caller): void {
    const { settings } = caller;
    if (settings.steal) return steal(this, caller);
    if (settings.ifAvailable || settings.waitMs === 0) {
      tryOnce(this, caller);
      return this.#idle();
    }
    if (this.#waiting.size >= limits.localQueueMax) {
      caller.actions.fail(
        new LimitExceededError(
          `${limits.localQueueMax} callers already wait for "${this.name.text}" in this process: shed load before asking`,
        ),
      );
      return;
    }
    this.#waiting.add(caller);
    this.limitWait(caller);
    this.#pump();
  }

  /** Nobody waits here any more. Turns that have begun go on. */
  rejectWaiting(reason: () => HoldfastError): void {
    for (const caller of this.waiting) this.#leave(caller, 'closed', reason());
    for (const asker of this.#running) asker.giveUp();
    this.#pump();
  }

  /** Resolves when nobody waits, asks or holds here. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
      this.#idle();
    });
  }

  limitWait(caller: Caller): void {
    const { signal, waitMs } = caller.settings;
    if (signal !== undefined) {
      const onAbort = () => this.#leave(caller, 'aborted', signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      caller.stopListening = () => signal.removeEventListener('abort', onAbort);
    }
    // With 0 there is one try, and its own deadline ends it.
    if (waitMs !== undefined && waitMs > 0) {
      caller.waitTimer = this.#context.store.ports.timer(waitMs, () =>
        this.#leave(caller, 'timed-out', this.#timeoutError(caller, waitMs)),
      );
    }
  }

  #timeoutError(caller: Caller, waitMs: number): HoldfastError {
    const failure = (this.aside.get(caller) ?? this.#asker)?.failure;
    const lock = this.name.text;
    if (failure !== undefined) {
      const detail = failure instanceof Error ? failure.message : String(failure);
      return new BackendUnavailableError(`"${lock}" could not be asked for within ${waitMs} ms: ${detail}`, {
        lock,
        cause: failure,
      });
    }
    return new WaitTimeoutError(`"${lock}" was not free within ${waitMs} ms: wait longer, or see who holds it with inspect()`, {
      lock,
    });
  }

  #leave(caller: Caller, because: GivenUp, reason: unknown): void {
    this.aside.get(caller)?.giveUp();
    const found = this.aside.delete(caller) || this.#waiting.delete(caller) || this.servings.withdraw(caller);
    if (!found) return;
    this.giveUp(caller, because, reason);
    this.#pump();
  }

  /** It will not have a turn. */
  giveUp(caller: Caller, because: GivenUp, reason: unknown): void {
    caller.stopWaiting();
    this.#context.emitter.emit('abandoned', () => ({
      ...this.#event(caller.settings),
      because,
      waitedMs: this.#waitedMs(caller),
    }));
    caller.actions.fail(reason);
  }

  /** Makes the ask in the store fit the head of the queue. */
  #pump(): void {
    const head = first(this.#waiting);
    if (this.#asker !== undefined && (head === undefined || !this.#fits(head.settings, this.#asker.want))) {
      this.#asker.giveUp();
      this.#asker = undefined;
    }
    if (head === undefined) return this.#idle();
    this.#asker ??= this.#ask(head.settings);
  }

  #fits(settings: Settings, want: Want): boolean {
    return sameWant(settings, { ...settings, mode: want.mode, ttlMs: want.ttlMs, metadata: want.metadata });
  }

  #ask(settings: Settings): Asker {
    const asker = this.#newAsker(settings, {
      once: false,
      fencesWanted: () => this.#headRun(settings, limits.batchMax).length,
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

  #newAsker({ mode, ttlMs, metadata }: Settings, options: AskerOptions): Asker {
    return new Asker(this.#context.store, { name: this.name, mode, ttlMs, metadata }, options);
  }

  /** The callers at the head that one grant can serve. */
  #headRun(settings: Settings, max: number): Caller[] {
    const run: Caller[] = [];
    for (const caller of this.#waiting) {
      if (run.length >= max || !sameWant(caller.settings, settings)) break;
      run.push(caller);
    }
    return run;
  }

  #answered(asker: Asker, settings: Settings, answer: Answer): void {
    if (this.#asker === asker) this.#asker = undefined;
    if (answer.outcome === 'granted') {
      const { first: from, last } = answer.grant.fences;
      const batch = this.#headRun(settings, Math.min(limits.batchMax, Number(last - from + 1n)));
      for (const caller of batch) this.#waiting.delete(caller);
      if (batch.length > 0) this.servings.serve(answer, batch);
      else abandonInBackground(this.#context.store, answer.ask);
    }
    this.#pump();
  }

  #askFailed(asker: Asker, error: unknown): void {
    if (this.#asker !== asker) return;
    this.#asker = undefined;
    // The store has been away for as long as anyone may wait for it: true for all who wait now.
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const caller of waiting) this.giveUp(caller, 'failed', error);
    this.#pump();
  }

  run(asker: Asker, answered: (answer: Answer) => void, failed: (error: unknown) => void): void {
    this.#running.add(asker);
    // Taken out in the same step in which the answer takes effect: in between, the queue would look idle.
    const over = <T>(settle: (value: T) => void) => {
      return (value: T) => {
        this.#running.delete(asker);
        settle(value);
        this.#idle();
      };
    };
    // Given up between the store's yes and this step: the grant is being abandoned and must serve nobody.
    const stillWanted = (answer: Answer) => answered(asker.givenUp ? { outcome: 'given-up' } : answer);
    asker.run().then(over(stillWanted), over(failed));
  }

  /** True if listening has only begun now. It goes on until the queue is idle, so that a busy name costs nothing more. */
  #listen(): boolean {
    if (this.#stopWatching !== undefined) return false;
    this.#stopWatching = this.#context.store.backend.watch(this.name, () => this.#asker?.wake());
    return true;
  }

  #idle(): void {
    if (this.#waiting.size > 0 || this.servings.size > 0 || this.#running.size > 0) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    this.#context.onIdle(this);
    for (const tell of this.#whenIdle.splice(0)) tell();
  }

  #reportWaiting(asker: Asker, settings: Settings, refusal: Refusal, owner: string): void {
    if (asker.reported) return;
    asker.reported = true;
    this.#context.emitter.emit('waiting', () => ({ ...this.#event(settings), owner, ahead: refusal.ahead }));
  }

  #event({ mode, ttlMs }: Pick<Settings, 'mode' | 'ttlMs'>): LockEvent {
    return { name: this.name.text, mode, node: this.#context.clientId, ttlMs };
  }

  #waitedMs(caller: Caller): number {
    return this.#context.store.ports.now().monotonicMs - caller.enqueuedAt.monotonicMs;
  }
}

function first<T>(set: Set<T>): T | undefined {
  for (const value of set) return value;
  return undefined;
}
