import { pause } from '../../core/pause.js';
import { Calls } from '../../core/calls.js';
import { detached } from '../../core/detached.js';
import { HoldfastError, InvalidArgumentError, NotSupportedError } from '../../core/errors.js';
import { Emitter } from '../../core/events.js';
import { limits } from '../../core/limits.js';
import { nodeId } from '../../core/node.js';
import { unlessDamaged } from '../../core/record-list.js';
import type { Records, StoredRecord } from '../../core/records.js';
import { read } from '../context.js';
import { Liveness } from '../liveness.js';
import { parseRecord } from '../record.js';
import { recordKeyPrefix } from '../signature.js';
import { Abreast } from './abreast.js';
import {
  type ReconciliationEvents,
  type ReconciliationEventType,
  type ReconciliationListener,
  reconciliationChannelPrefix,
  reconciliationEventTypes,
} from './events.js';
import { parseSettings, type ReconcilerOptions, type Settings } from './options.js';
import type { Outcome, PassSummary } from './outcomes.js';
import { type Leading, reconcileOne, type Work } from './steps.js';
import { Unknowns } from './unknowns.js';

export interface Reconciler {
  /**
   * Passes over all records until the term is over; that is no error. What fails is reported by `failed` and tried again.
   * `lead(locks, 'reconcile', (term) => job.run(term))` elects whoever does it.
   */
  run(leading: Leading): Promise<void>;
  /**
   * One pass.
   *
   * @throws what the store throws while it lists the records
   */
  pass(leading: Leading): Promise<PassSummary>;
  /** Listens; the answer ends it. The same events are on `node:diagnostics_channel` as `holdfast:reconciliation:<type>`. */
  on<E extends ReconciliationEventType>(type: E, listener: ReconciliationListener<E>): () => void;
}

/**
 * A job that finds frozen requests, and requests whose lease is over although nobody has seen it, and has `resolve` decide what became of them. Two of them
 * may run at the same time although only one should: of each record the later term alone can change anything.
 *
 * @throws InvalidArgumentError; NotSupportedError for records without `list`
 */
export function reconciler(records: Records<never>, options: ReconcilerOptions): Reconciler {
  if (typeof records?.list !== 'function') {
    throw new NotSupportedError('these records have no list(): frozen ones cannot be found; keep them in a store that has it');
  }
  return new Job(records, parseSettings(options));
}

class Job implements Reconciler {
  readonly #records: Records<never>;
  readonly #settings: Settings;
  readonly #calls: Calls;
  readonly #liveness: Liveness;
  readonly #unknowns: Unknowns;
  readonly #emitter: Emitter<ReconciliationEvents>;
  readonly #node: string;

  constructor(records: Records<never>, settings: Settings) {
    const { ports } = settings;
    this.#records = records;
    this.#settings = settings;
    this.#calls = new Calls(ports);
    this.#liveness = new Liveness(ports, true);
    this.#unknowns = new Unknowns(ports, settings.everyMs);
    const warn = (message: string, cause: unknown) => ports.warn(message, cause);
    this.#emitter = new Emitter<ReconciliationEvents>(warn, reconciliationEventTypes, reconciliationChannelPrefix);
    this.#node = nodeId(ports.identity());
  }

  on<E extends ReconciliationEventType>(type: E, listener: ReconciliationListener<E>): () => void {
    if (!reconciliationEventTypes.includes(type)) {
      throw new InvalidArgumentError(`unknown event "${String(type)}": one of ${reconciliationEventTypes.join(', ')}`);
    }
    return this.#emitter.on(type, listener);
  }

  async run(leading: Leading): Promise<void> {
    try {
      await this.#passOver(leading);
    } finally {
      this.#emitter.emit('ended', () => ({ job: this.#node }));
    }
  }

  async #passOver(leading: Leading): Promise<void> {
    while (!leading.signal.aborted) {
      try {
        await this.pass(leading);
      } catch (error) {
        if (leading.signal.aborted) return;
        this.#emitter.emit('failed', () => ({ recordKey: undefined, error }));
      }
      await pause(this.#settings.ports, this.#settings.everyMs, leading.signal);
    }
  }

  async pass(leading: Leading): Promise<PassSummary> {
    // Read once: a term that is over has no number.
    const by = { term: leading.term, by: this.#node };
    const { settings, calls, liveness } = { settings: this.#settings, calls: this.#calls, liveness: this.#liveness };
    const work: Work = { records: this.#records, calls, settings, liveness, leading, by };
    const sum = new Sum();
    // Out of any request's context: what is called here serves everyone.
    const found = detached(() => (this.#records.list as NonNullable<Records['list']>)(recordKeyPrefix)[Symbol.asyncIterator]());
    const abreast = new Abreast(settings.concurrency);
    let termIsOver = false;
    const look = async (stored: StoredRecord) => {
      if (!(await this.#one(work, stored, sum))) termIsOver = true;
    };
    try {
      while (!termIsOver) {
        const step = await calls.promise(settings.callTimeoutMs * limits.listStepTimeouts, 'listing records', () => found.next());
        if (step.done === true) break;
        await abreast.start(() => look(step.value));
      }
    } finally {
      found.return?.().catch(() => undefined);
      await abreast.ended();
    }
    if (termIsOver) return sum.ended(true);
    liveness.endRound();
    const { term } = by;
    this.#emitter.emit('passed', () => ({ job: this.#node, term, frozen: sum.unknown + sum.notResolved }));
    await this.#retire(work);
    return sum.ended(false);
  }

  /** False if the term is over. */
  async #one(work: Work, stored: StoredRecord, sum: Sum): Promise<boolean> {
    const { signal } = work.leading;
    if (signal.aborted) return false;
    try {
      if (!this.#isMine(stored)) return true;
      if (this.#unknowns.isResting(stored)) sum.unknown += 1;
      else this.#note(work, await reconcileOne(work, stored), sum);
    } catch (error) {
      if (isOver(work.leading)) return false;
      sum.notResolved += 1;
      this.#emitter.emit('failed', () => ({ recordKey: stored.key, term: work.by.term, error }));
    }
    return true;
  }

  /** @throws BackendCorruptError */
  #isMine(stored: StoredRecord): boolean {
    const { namespace, operation } = this.#settings;
    const record = parseRecord(stored.value);
    if (record.state !== 'FROZEN' && record.state !== 'PROCESSING') return false;
    return (namespace ?? record.namespace) === record.namespace && (operation ?? record.operation) === record.operation;
  }

  #note({ by: { term } }: Work, outcome: Outcome, sum: Sum): void {
    switch (outcome.type) {
      case 'resolved': {
        const { record, verdict, disputed } = outcome;
        sum.resolved(verdict, disputed);
        this.#unknowns.forget(record.recordKey);
        return this.#emitter.emit('resolved', () => ({ record, term, verdict, disputed }));
      }
      case 'unknown': {
        const { record, why, version } = outcome;
        sum.unknown += 1;
        const asked = this.#unknowns.note(record.recordKey, version);
        return this.#emitter.emit('unknown', () => ({ record, term, why, asked }));
      }
      case 'overtaken': {
        const { recordKey, record } = outcome;
        sum.overtaken += 1;
        return this.#emitter.emit('overtaken', () => ({ recordKey, term, ...(record === undefined ? {} : { record }) }));
      }
      case 'running':
        sum.runs(outcome.lookAgainMs);
        return;
      case 'settled':
        return;
    }
  }

  /** @throws the reason of the end of the term: who leads now looks by himself */
  async #isSettled(work: Work, recordKey: string): Promise<boolean> {
    work.leading.signal.throwIfAborted();
    const stored = await read(work, recordKey);
    if (stored === undefined) return true;
    // A damaged one is told of by the pass over the records, and must not keep the entries of all others.
    const record = await unlessDamaged(() => parseRecord(stored.value));
    return record?.state === 'COMPLETED' || record?.state === 'FAILED';
  }

  /** Entries of the log go when the outcome of their request is written, or its record's time is over. */
  async #retire(work: Work): Promise<void> {
    const { log } = this.#settings;
    if (log === undefined || work.leading.signal.aborted) return;
    try {
      await log.retire((recordKey) => this.#isSettled(work, recordKey));
    } catch (error) {
      if (work.leading.signal.aborted) return;
      this.#emitter.emit('failed', () => ({
        recordKey: undefined,
        error: error instanceof HoldfastError ? error : new Error('the log', { cause: error }),
      }));
    }
  }
}

/** Asked of the term itself: `resolve` and the sinks may lose leases of their own. */
function isOver(leading: Leading): boolean {
  try {
    leading.assertLeading();
    return leading.signal.aborted;
  } catch {
    return true;
  }
}

class Sum {
  completed = 0;
  failed = 0;
  retried = 0;
  unknown = 0;
  overtaken = 0;
  notResolved = 0;
  disputed = 0;
  running = 0;
  lookAgainMs: number | undefined;

  resolved(verdict: 'completed' | 'failed' | 'retry', disputed: boolean): void {
    this[verdict === 'retry' ? 'retried' : verdict] += 1;
    if (disputed) this.disputed += 1;
  }

  runs(lookAgainMs: number | undefined): void {
    this.running += 1;
    if (lookAgainMs !== undefined) this.lookAgainMs = Math.max(this.lookAgainMs ?? 0, lookAgainMs);
  }

  ended(interrupted: boolean): PassSummary {
    const { completed, failed, retried, unknown, overtaken, notResolved, disputed, running, lookAgainMs } = this;
    return { completed, failed, retried, unknown, overtaken, notResolved, disputed, running, lookAgainMs, interrupted };
  }
}
