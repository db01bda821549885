import type { Refusal } from './backend.js';
import { type Caller, type GivenUp, sameWant } from './caller.js';
import { ownerDigest } from './clock.js';
import { BackendUnavailableError, BusyError, type HoldfastError, LimitExceededError, WaitTimeoutError } from './errors.js';
import type { Emitter, LockEvent } from './events.js';
import { abandonInBackground, release, type StoreContext } from './giving-back.js';
import type { Turn } from './lease.js';
import { limits } from './limits.js';
import { type HoldContext, LiveHold } from './live-hold.js';
import type { LockName } from './name.js';
import type { Settings } from './options.js';
import { Serving } from './serving.js';
import { type Answer, Asker, type AskerOptions, type Want } from './waiting.js';

export interface QueueContext {
  readonly store: StoreContext;
  readonly hold: HoldContext;
  readonly emitter: Emitter;
  readonly clientId: string;
  /** Nothing is left in this queue. */
  readonly onIdle: (queue: NameQueue) => void;
}

type Granted = Extract<Answer, { outcome: 'granted' }>;

/**
 * All callers of this process for one name. They queue here, and one ask stands for them in the store: for the run of
 * callers at the head that want the same. A grant serves those who were waiting when it came, up to `limits.batchMax`;
 * then it is given back, and the store decides who is next.
 */
export class NameQueue {
  readonly name: LockName;
  readonly #context: QueueContext;
  /** In order of arrival. A set: leaving from the middle is cheap. */
  #waiting = new Set<Caller>();
  readonly #servings = new Set<Serving>();
  /** The ask that stands for the head of the queue. */
  #asker: Asker | undefined;
  /** Every ask that has not come to its end: that one, those of callers that do not queue, and those given up during a call. */
  readonly #running = new Set<Asker>();
  #stopWatching: (() => void) | undefined;
  #closedBecause: (() => HoldfastError) | undefined;
  readonly #whenIdle: (() => void)[] = [];

  constructor(name: LockName, context: QueueContext) {
    this.name = name;
    this.#context = context;
  }

  get servings(): Iterable<Serving> {
    return this.#servings;
  }

  /** Callers without a turn, in order. */
  get waiting(): Caller[] {
    return [...[...this.#servings].flatMap((serving) => serving.unserved), ...this.#waiting];
  }

  enter(caller: Caller): void {
    const { settings } = caller;
    if (settings.steal) return this.#steal(caller);
    if (settings.ifAvailable || settings.waitMs === 0) return this.#tryOnce(caller);
    if (this.#waiting.size >= limits.localQueueMax) {
      caller.actions.fail(
        new LimitExceededError(
          `${limits.localQueueMax} callers already wait for "${this.name.text}" in this process: shed load before asking`,
        ),
      );
      return;
    }
    this.#waiting.add(caller);
    this.#limitWait(caller);
    this.#pump();
  }

  /** Ends what this process holds under these owners' digests. */
  revoked(digests: ReadonlySet<string>): void {
    for (const { hold } of [...this.#servings]) if (digests.has(ownerDigest(hold.held.owner))) hold.end('revoked');
  }

  /** By fence, because the answers of two thieves may arrive in either order. */
  #loseOlderThan(fence: bigint): void {
    for (const { hold } of [...this.#servings]) if (hold.grant.fences.last < fence) hold.end('stolen');
  }

  /** Nobody waits here any more. Turns that have begun go on. */
  rejectWaiting(reason: () => HoldfastError): void {
    this.#closedBecause = reason;
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

  #limitWait(caller: Caller): void {
    const { signal, waitMs } = caller.settings;
    if (signal !== undefined) {
      const onAbort = () => this.#leave(caller, 'aborted', signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      caller.stopListening = () => signal.removeEventListener('abort', onAbort);
    }
    if (waitMs !== undefined) {
      caller.waitTimer = this.#context.store.ports.timer(waitMs, () =>
        this.#leave(caller, 'timed-out', this.#timeoutError(waitMs)),
      );
    }
  }

  #timeoutError(waitMs: number): HoldfastError {
    const failure = this.#asker?.failure;
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
    const found = this.#waiting.delete(caller) || [...this.#servings].some((serving) => serving.withdraw(caller));
    if (!found) return;
    this.#giveUp(caller, because, reason);
    this.#pump();
  }

  #giveUp(caller: Caller, because: GivenUp, reason: unknown): void {
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
    this.#run(
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
      if (batch.length > 0) this.#serve(answer, batch);
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
    for (const caller of waiting) this.#giveUp(caller, 'failed', error);
    this.#pump();
  }

  #serve(granted: Granted, batch: Caller[]): void {
    const { ask, grant, sentAt } = granted;
    const held = { name: ask.name, owner: ask.owner, mode: ask.mode, ttlMs: ask.ttlMs };
    const serving = new Serving({
      ports: this.#context.store.ports,
      emitter: this.#context.emitter,
      release: (hold, turn, done) => this.#release(hold, turn, granted, done),
      onLoss: (unserved) => {
        this.#waiting = new Set([...unserved, ...this.#waiting]);
        this.#pump();
      },
      onOver: () => {
        this.#servings.delete(serving);
        this.#idle();
      },
    });
    this.#servings.add(serving);
    const hold = new LiveHold(this.#context.hold, { held, grant, sentAt, metadata: ask.metadata }, (loss) => serving.lose(loss));
    serving.start(hold, batch);
  }

  /** `ifAvailable` and `waitMs: 0`: no place in any queue. */
  #tryOnce(caller: Caller): void {
    const { settings } = caller;
    const heldHere = [...this.#servings].some(
      ({ hold }) => hold.loss === undefined && (settings.mode === 'exclusive' || hold.held.mode === 'exclusive'),
    );
    if (heldHere || this.#waiting.size > 0) return this.#notAvailable(caller, 'this process');
    this.#askAside(caller, this.#newAsker(settings, { once: true, fencesWanted: () => 1 }));
  }

  #steal(caller: Caller): void {
    const { backend, node } = this.#context.store;
    const reason = `stolen by ${node.host}/${node.pid}`;
    const asker = this.#newAsker(caller.settings, {
      once: false,
      fencesWanted: () => 1,
      send: async (ask) => {
        const revocation = await backend.revoke(this.name, { kind: 'stolen', reason, node, heir: ask });
        if (revocation.ended.length > 0) this.reportRevoked('stolen', reason, caller.settings);
        return revocation.grant ?? { outcome: 'refused', because: 'abandoned', holders: [], ahead: 0 };
      },
    });
    this.#askAside(caller, asker);
  }

  #askAside(caller: Caller, asker: Asker): void {
    const { signal, steal } = caller.settings;
    if (signal !== undefined) {
      const onAbort = () => {
        asker.giveUp();
        this.#giveUp(caller, 'aborted', signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      caller.stopListening = () => signal.removeEventListener('abort', onAbort);
    }
    const answered = (answer: Answer) => {
      if (answer.outcome === 'given-up') {
        if (signal?.aborted !== true) this.#giveUp(caller, 'closed', this.#closedBecause?.());
        return;
      }
      if (answer.outcome === 'refused') return this.#notAvailable(caller, describe(answer.refusal));
      // Whoever held it here has lost it, and hears so before the thief begins.
      if (steal) this.#loseOlderThan(answer.grant.fences.first);
      return this.#serve(answer, [caller]);
    };
    this.#run(asker, answered, (error) => this.#giveUp(caller, 'failed', error));
  }

  #run(asker: Asker, answered: (answer: Answer) => void, failed: (error: unknown) => void): void {
    this.#running.add(asker);
    // Taken out in the same step in which the answer takes effect: in between, the queue would look idle.
    const over = <T>(settle: (value: T) => void) => {
      return (value: T) => {
        this.#running.delete(asker);
        settle(value);
        this.#idle();
      };
    };
    asker.run().then(over(answered), over(failed));
  }

  #notAvailable(caller: Caller, holder: string): void {
    caller.stopWaiting();
    if (caller.settings.ifAvailable) {
      // Never inside the caller's own call of request().
      const work = () => Promise.resolve().then(() => caller.actions.begin(null));
      this.#context.store.background.run('unreachable', () => work().then(caller.actions.over));
      return;
    }
    const lock = this.name.text;
    caller.actions.fail(new BusyError(`"${lock}" is held by ${holder}: allow a wait with waitMs, or try again later`, { lock }));
    this.#idle();
  }

  /** True if listening has only begun now. It goes on until the queue is idle, so that a busy name costs nothing more. */
  #listen(): boolean {
    if (this.#stopWatching !== undefined) return false;
    this.#stopWatching = this.#context.store.backend.watch(this.name, () => this.#asker?.wake());
    return true;
  }

  #idle(): void {
    if (this.#waiting.size > 0 || this.#servings.size > 0 || this.#running.size > 0) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    this.#context.onIdle(this);
    for (const tell of this.#whenIdle.splice(0)) tell();
  }

  #release(hold: LiveHold, lastTurn: Turn | undefined, granted: Granted, done: () => void): void {
    const { store, emitter } = this.#context;
    release(store, hold.held, (outcome) => {
      if (lastTurn !== undefined) lastTurn.releaseOutcome = outcome;
      // A copy of the ask may still be under way: the store must refuse it when it arrives.
      if (granted.uncertain) abandonInBackground(store, granted.ask);
      emitter.emit('released', () => ({ ...(lastTurn ?? hold).event(), outcome }));
      done();
    });
  }

  reportRevoked(kind: 'revoked' | 'stolen', reason: string, settings: Pick<Settings, 'mode' | 'ttlMs'>): void {
    this.#context.emitter.emit('revoked', () => ({ ...this.#event(settings), kind, reason }));
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

function describe(refusal: Refusal): string {
  const holder = refusal.holders[0];
  return holder === undefined ? 'someone who waits in front' : `${holder.node.host}, process ${holder.node.pid}`;
}
