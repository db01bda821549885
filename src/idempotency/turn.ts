import { LeaseLostError, NotSupportedError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Records } from '../core/records.js';
import type { Context } from './context.js';
import { keptForMs } from './context.js';
import type { LiveClaim } from './live-claim.js';
import { logDone } from './logging.js';
import { settled } from './machine.js';
import { formatRecord, parseRecord } from './record.js';
import { encodeAnswer, type Encoded } from './values.js';

/** What a handler receives. `Transaction`: of the record store, where it has transactions of the caller. */
export interface Turn<Transaction = never> {
  /** Key of the record: the resource that `fence` guards unless you name another. */
  readonly recordKey: string;
  /** Higher than that of any earlier claim of the same request. @throws LeaseLostError */
  readonly fence: bigint;
  /** 1 for the first, one more for each that was allowed to try again. */
  readonly attempt: number;
  /** Aborts with a LeaseLostError when the claim is lost: what is done after that is somebody else's to find out. */
  readonly signal: AbortSignal;
  /** @throws LeaseLostError */
  assertHeld(): void;
  /**
   * Say so right before each thing that cannot be taken back: from now on an error that is no `FinalFailure` freezes the record instead of allowing another try.
   * Nothing is written: if the process dies, its lease ends while PROCESSING, and that freezes the record whether an effect was marked or not.
   *
   * @param name for whoever reconciles: `charge`
   * @throws LeaseLostError if the claim is lost: then do not do it
   */
  effect(name: string): void;
  /**
   * Writes the answer inside a transaction of yours, so that it comes true together with what you write there. Only where the records lie
   * in that same database. Then commit, and return from the handler: the answer is `value`. If it turns out that the transaction was not committed, the handler
   * counts as one that threw.
   *
   * @throws LeaseLostError if the claim is lost: roll back
   * @throws NotSupportedError where the store of the records has no transactions of the caller
   */
  completeIn(tx: Transaction, value: unknown): Promise<void>;
}

/** Throw it from a handler to answer with a failure that stands: the record is FAILED, and the value is replayed. */
export class FinalFailure<F = unknown> extends Error {
  readonly value: F;

  constructor(value: F, message = 'the request failed for good') {
    super(message);
    this.name = 'FinalFailure';
    this.value = value;
  }
}

/** The one that handlers are given. They may take it apart: `({ fence, effect }) => …`. */
export class LiveTurn<Transaction> implements Turn<Transaction> {
  readonly recordKey: string;
  readonly attempt: number;
  readonly #context: Context;
  readonly #claim: LiveClaim;
  #inTransaction: { readonly value: unknown } | undefined;

  constructor(context: Context, claim: LiveClaim) {
    this.#context = context;
    this.#claim = claim;
    this.recordKey = claim.recordKey;
    this.attempt = claim.record.attempt;
  }

  get fence(): bigint {
    this.#claim.assertHeld();
    return this.#claim.record.fence;
  }

  get signal(): AbortSignal {
    return this.#claim.signal;
  }

  /** What was last handed to `completeIn`. */
  get completedIn(): { readonly value: unknown } | undefined {
    return this.#inTransaction;
  }

  readonly assertHeld = (): void => this.#claim.assertHeld();

  readonly effect = (name: string): void => {
    this.#claim.assertHeld();
    const { effects } = this.#claim;
    // Beyond the bound only the names are lost: that there was one is known.
    if (effects.length < limits.effectsMax) effects.push(String(name).slice(0, limits.requestTextMax));
  };

  readonly completeIn = async (tx: Transaction, value: unknown): Promise<void> => {
    const { settings } = this.#context;
    const records = this.#context.records as Records<Transaction>;
    if (records.in === undefined) {
      throw new NotSupportedError(
        'completeIn() needs records that lie in a database of your own transactions: return the answer from the handler instead',
      );
    }
    this.#claim.assertHeld();
    const answer = encodeAnswer(value, settings.answerBytesMax);
    await logDone(this.#context, this.#claim, 'completed', answer, true);
    this.#claim.assertHeld();
    const isWritten = await this.#settleIn(records.in(tx), answer);
    this.#claim.assertHeld();
    if (!isWritten) {
      const { record, recordKey } = this.#claim;
      const message = `the claim on the request "${record.key}" does not stand as it did: roll the transaction back`;
      throw new LeaseLostError('revoked', message, { lock: recordKey });
    }
    this.#inTransaction = { value };
  };

  /** A renewal of our own, or evidence, may have changed the version meanwhile: then the claim stands under another one. */
  async #settleIn(records: Pick<Records, 'compareAndSet'>, answer: Encoded): Promise<boolean> {
    const { settings } = this.#context;
    const claim = this.#claim;
    let from = { record: claim.record, version: claim.version };
    for (let tries = 0; tries < limits.recordWriteTriesMax; tries++) {
      const next = settled(
        from.record,
        claim.record,
        { type: 'completed', answer },
        [...claim.effects],
        settings.ports.now().wallMs,
      );
      if (next === undefined) return false;
      const write = await records.compareAndSet(claim.recordKey, from.version, formatRecord(next), keptForMs(next));
      if (write.written || write.record === undefined) return write.written;
      from = { record: parseRecord(write.record.value), version: write.record.version };
    }
    return false;
  }
}
