import { Background } from '../core/background.js';
import { Calls, messageOf } from '../core/calls.js';
import { elapsedMs } from '../core/clock.js';
import { ClosedError, OutcomeUnknownError } from '../core/errors.js';
import { Emitter } from '../core/events.js';
import { limits } from '../core/limits.js';
import { nodeId } from '../core/node.js';
import type { Records } from '../core/records.js';
import { Admissions, type Entry } from './admissions.js';
import { type Context, eventOf } from './context.js';
import {
  type IdempotencyEvents,
  type IdempotencyEventType,
  type IdempotencyListener,
  idempotencyChannelPrefix,
  idempotencyEventTypes,
} from './events.js';
import { type Claimed, LiveClaim } from './live-claim.js';
import { logStarted, logDone } from './logging.js';
import { Liveness } from './liveness.js';
import type { Ending } from './machine.js';
import { type Asked, type IdempotentOptions, type IdempotentRequest, parseRequest, parseSettings } from './options.js';
import type { RunOutcome } from './outcome.js';
import type { IdempotencyRecord } from './record.js';
import { aboutOf, replayOf } from './replies.js';
import { leaveToReconciliation, type Settled, settle } from './settling.js';
import { FinalFailure, LiveTurn, type Turn } from './turn.js';
import { encodeAnswer } from './values.js';
import { pauseBeforeLooking } from './waiting.js';

export type Handler<T, Transaction = never> = (turn: Turn<Transaction>) => T | Promise<T>;

/** Cumulative, since the instance was made. Replays over admissions is `deduplication_cache_hit_ratio`. */
export interface IdempotencyCounters {
  /** Requests that were told something: all but those that the store failed. */
  readonly admissions: number;
  readonly replays: number;
}

/** One operation whose requests are executed once each. */
export interface Idempotent<Transaction = never> {
  /**
   * Runs the handler unless the request was made before; then tells what became of it.
   *
   * @throws what the handler throws, if it had marked no effect: then it may be tried again
   * @throws BackendUnavailableError, OutcomeUnknownError if the store did not take the outcome: the handler may have run, and is not run again
   * @throws InvalidArgumentError, ClosedError; the reason of `request.signal`
   */
  run<T, F = unknown>(request: IdempotentRequest, handler: Handler<T, Transaction>): Promise<RunOutcome<T, F>>;
  /** Listens; the answer ends it. The same events are on `node:diagnostics_channel` as `holdfast:idempotency:<type>`. */
  on<E extends IdempotencyEventType>(type: E, listener: IdempotencyListener<E>): () => void;
  counters(): IdempotencyCounters;
  /** No more requests; those that wait are told `running`. Resolves when the handlers that run here have ended, however long that takes. The records stay open: they are yours. */
  close(): Promise<void>;
}

/**
 * Requests of one operation, each executed once however often it is sent, and however many processes it is sent to.
 *
 * @throws InvalidArgumentError
 */
export function idempotent<Transaction = never>(
  records: Records<Transaction>,
  options: IdempotentOptions,
): Idempotent<Transaction> {
  return new Operation<Transaction>(records, options);
}

class Operation<Transaction> implements Idempotent<Transaction> {
  readonly #context: Context;
  readonly #admissions: Admissions;
  readonly #running = new Set<Promise<unknown>>();
  readonly #counters = { admissions: 0, replays: 0 };
  #closed = false;

  constructor(records: Records<Transaction>, options: IdempotentOptions) {
    const settings = parseSettings(options);
    const { ports } = settings;
    const calls = new Calls(ports);
    this.#context = {
      records: records as Records<never>,
      settings,
      calls,
      background: new Background(ports, calls),
      emitter: new Emitter<IdempotencyEvents>(
        (message, cause) => ports.warn(message, cause),
        idempotencyEventTypes,
        idempotencyChannelPrefix,
      ),
      liveness: new Liveness(ports),
      node: nodeId(ports.identity()),
    };
    this.#admissions = new Admissions(this.#context);
  }

  async run<T, F = unknown>(request: IdempotentRequest, handler: Handler<T, Transaction>): Promise<RunOutcome<T, F>> {
    if (this.#closed) throw new ClosedError('this idempotent operation is closed: make a new one');
    const asked = parseRequest(request, this.#context.settings);
    const task = this.#run<T, F>(asked, handler);
    this.#running.add(task);
    try {
      return await task;
    } finally {
      this.#running.delete(task);
    }
  }

  on<E extends IdempotencyEventType>(type: E, listener: IdempotencyListener<E>): () => void {
    return this.#context.emitter.on(type, listener);
  }

  counters(): IdempotencyCounters {
    return { ...this.#counters };
  }

  async close(): Promise<void> {
    this.#closed = true;
    const { background, calls, settings } = this.#context;
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    await background.finish(settings.callTimeoutMs);
    calls.close();
  }

  async #run<T, F>(asked: Asked, handler: Handler<T, Transaction>): Promise<RunOutcome<T, F>> {
    const entry = await this.#enter(asked);
    this.#counters.admissions += 1;
    if (entry.type !== 'claimed') return this.#answer<T, F>(asked, entry);
    this.#context.emitter.emit('claimed', () => eventOf(asked, entry.claimed.record));
    try {
      return await this.#execute<T, F>(asked, entry.claimed, handler);
    } finally {
      this.#admissions.leave();
    }
  }

  /** With patience, where asked for, while it runs elsewhere. */
  async #enter(asked: Asked): Promise<Entry> {
    const { ports } = this.#context.settings;
    const since = ports.now();
    for (let looks = 0; ; looks++) {
      asked.signal?.throwIfAborted();
      const entry = await this.#admissions.enter(asked, looks > 0);
      const leftMs = asked.waitMs - elapsedMs(since, ports.now());
      if (entry.type !== 'running' || leftMs <= 0) return entry;
      await pauseBeforeLooking(ports, looks, leftMs, asked.signal);
      // Whoever closes waits for what runs here, and not for what runs elsewhere.
      if (this.#closed) return entry;
    }
  }

  async #execute<T, F>(asked: Asked, claimed: Claimed, handler: Handler<T, Transaction>): Promise<RunOutcome<T, F>> {
    const claim = new LiveClaim(this.#context, claimed);
    const turn = new LiveTurn<Transaction>(this.#context, claim);
    const ended = await this.#call(turn, claim, handler);
    await this.#log(claim, ended.ending);
    let settled: Settled;
    try {
      settled = await settle(this.#context, claim, ended.ending);
    } catch (cause) {
      // An error of the handler's own is never hidden: nobody is told of a success.
      if (ended.ending.type === 'threw' || ended.ending.type === 'threw-before-effect') throw ended.value;
      const message = `the request "${asked.key}" was executed, but its outcome could not be written: it is not executed again; reconcile it`;
      throw new OutcomeUnknownError(message, { lock: claim.recordKey, cause });
    }
    return settled.by === 'us'
      ? this.#settledHere<T, F>(asked, claim, turn, ended, settled.record)
      : this.#settledElsewhere<T, F>(asked, ended, settled);
  }

  /** @throws OutcomeUnknownError if the log does not acknowledge it */
  async #log(claim: LiveClaim, ending: Ending): Promise<void> {
    if (ending.type !== 'completed' && ending.type !== 'failed') return;
    try {
      await logDone(this.#context, claim, ending.type, ending.answer, false);
    } catch (error) {
      // If this fails, too, the record freezes when its lease is over.
      await leaveToReconciliation(this.#context, claim, ending).catch(() => undefined);
      throw error;
    }
  }

  async #call<T>(turn: LiveTurn<Transaction>, claim: LiveClaim, handler: Handler<T, Transaction>): Promise<Ended> {
    const { answerBytesMax } = this.#context.settings;
    try {
      // The claim may have taken so long to be confirmed that it is over.
      claim.assertHeld();
      await logStarted(this.#context, claim);
      claim.assertHeld();
      const value = await handler(turn);
      if (turn.completedIn === undefined)
        return { ending: { type: 'completed', answer: encodeAnswer(value, answerBytesMax) }, value };
      // If its transaction was committed, the record says so, and this is not written.
      const error = new OutcomeUnknownError(
        'completeIn() was called, but its transaction was not committed: commit it before the handler returns',
      );
      return { ending: this.#threw(claim, error), value: error };
    } catch (error) {
      if (!(error instanceof FinalFailure)) return { ending: this.#threw(claim, error), value: error };
      return { ending: { type: 'failed', answer: encodeAnswer(error.value, answerBytesMax) }, value: error.value };
    }
  }

  #threw({ effects }: LiveClaim, error: unknown): Ending {
    const line = messageOf(error).slice(0, limits.errorTextMax);
    return { type: effects.length > 0 ? 'threw' : 'threw-before-effect', error: line };
  }

  #settledHere<T, F>(
    asked: Asked,
    claim: LiveClaim,
    turn: LiveTurn<Transaction>,
    ended: Ended,
    record: IdempotencyRecord,
  ): RunOutcome<T, F> {
    const { emitter, settings } = this.#context;
    const event = () => ({ ...eventOf(asked, record), tookMs: elapsedMs(claim.sentAt, settings.ports.now()) });
    const about = aboutOf(asked, record);
    switch (record.state) {
      case 'COMPLETED': {
        emitter.emit('completed', event);
        // Written in a transaction of the handler's, whatever it did afterwards.
        const value = ended.ending.type === 'completed' ? ended.value : turn.completedIn?.value;
        return { outcome: 'executed', state: 'completed', value: value as T, ...about };
      }
      case 'FAILED':
        emitter.emit('failed', event);
        return { outcome: 'executed', state: 'failed', value: ended.value as F, ...about };
      case 'FROZEN':
        emitter.emit('frozen', () => ({ ...eventOf(asked, record), because: 'error-after-effect', here: true }));
        return { outcome: 'frozen', because: 'error-after-effect', error: ended.value, ...about };
      default:
        emitter.emit('released', () => ({ ...eventOf(asked, record), error: ended.value }));
        throw ended.value;
    }
  }

  /** As for anyone else who asks: what others decided is the answer. */
  #settledElsewhere<T, F>(asked: Asked, ended: Ended, { record, late }: Extract<Settled, { by: 'others' }>): RunOutcome<T, F> {
    const { emitter, settings } = this.#context;
    emitter.emit('late-outcome', () => ({ ...eventOf(asked, record), late, disputed: record.disputed }));
    switch (record.state) {
      case 'COMPLETED':
      case 'FAILED':
        return replayOf<T, F>(asked, record);
      case 'FROZEN': {
        const error = ended.ending.type === 'threw' || ended.ending.type === 'threw-before-effect' ? { error: ended.value } : {};
        return { outcome: 'frozen', because: record.frozen?.because ?? 'lease-ended', ...error, ...aboutOf(asked, record) };
      }
      default:
        return { outcome: 'running', retryAfterMs: settings.leaseTtlMs, ...aboutOf(asked, record) };
    }
  }

  #answer<T, F>(asked: Asked, entry: Exclude<Entry, { type: 'claimed' }>): RunOutcome<T, F> {
    const { emitter } = this.#context;
    if (entry.type === 'full') {
      emitter.emit('full', () => ({ ...eventOf(asked), where: entry.full.where }));
      return entry.full;
    }
    const { record, frozeIt, leaseLeftMs: retryAfterMs } = entry;
    switch (entry.type) {
      case 'mismatch':
        emitter.emit('mismatch', () => eventOf(asked));
        return { outcome: 'mismatch', recordKey: asked.recordKey };
      case 'running':
        emitter.emit('running', () => ({ ...eventOf(asked, record), retryAfterMs }));
        return { outcome: 'running', retryAfterMs, ...aboutOf(asked, record) };
      case 'frozen': {
        const because = record.frozen?.because ?? 'lease-ended';
        emitter.emit('frozen', () => ({ ...eventOf(asked, record), because, here: frozeIt }));
        return { outcome: 'frozen', because, ...aboutOf(asked, record) };
      }
      case 'replay': {
        const replay = replayOf<T, F>(asked, record);
        this.#counters.replays += 1;
        emitter.emit('replayed', () => ({ ...eventOf(asked, record), state: replay.state, kept: replay.kept }));
        return replay;
      }
    }
  }
}

/** How a handler ended. `value`: what it returned, the value of its `FinalFailure`, or else the error that it threw. */
interface Ended {
  readonly ending: Ending;
  readonly value: unknown;
}
