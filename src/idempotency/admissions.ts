import { isPermanent } from '../core/calls.js';
import { type Instant, remainingMs } from '../core/clock.js';
import { BackendUnavailableError, OutcomeUnknownError } from '../core/errors.js';
import { mintFences } from '../core/fence.js';
import { deadlineFor } from '../core/hold.js';
import { limits } from '../core/limits.js';
import type { StoredRecord } from '../core/records.js';
import { type Context, keptForMs, read, write } from './context.js';
import type { Claimed } from './live-claim.js';
import { type Admission, admit, type Claimant, isHeldBy, settled } from './machine.js';
import type { Asked } from './options.js';
import type { Full } from './outcome.js';
import { type IdempotencyRecord, parseRecord } from './record.js';

/** What a request was answered with at the door. */
export type Entry =
  | { readonly type: 'claimed'; readonly claimed: Claimed }
  | { readonly type: 'full'; readonly full: Full }
  /** What stands there is the answer. `frozeIt`: this process has just written that down. */
  | {
      readonly type: 'mismatch' | 'running' | 'frozen' | 'replay';
      readonly record: IdempotencyRecord;
      readonly leaseLeftMs: number;
      readonly frozeIt: boolean;
    };

interface Found {
  readonly stored: StoredRecord;
  readonly record: IdempotencyRecord;
}

/** One try of a request to get in. */
export class Admissions {
  readonly #context: Context;
  #inFlight = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Claims the request, or tells why not. Whoever is told `claimed` must call `leave`.
   *
   * @param looksFirst it was there a moment ago: reading costs less than trying to write
   * @throws what the store throws; OutcomeUnknownError
   */
  async enter(asked: Asked, looksFirst: boolean): Promise<Entry> {
    const { settings } = this.#context;
    const hasRoom = this.#inFlight < settings.inFlightMax;
    if (hasRoom) this.#inFlight += 1;
    let isClaimed = false;
    try {
      const entry = await this.#enter(asked, hasRoom, looksFirst || !hasRoom);
      isClaimed = entry.type === 'claimed';
      return entry;
    } catch (error) {
      if (error instanceof BackendUnavailableError && error.full) return this.#full(asked, 'store', error);
      throw error;
    } finally {
      if (hasRoom && !isClaimed) this.#inFlight -= 1;
    }
  }

  leave(): void {
    this.#inFlight -= 1;
  }

  async #enter(asked: Asked, hasRoom: boolean, looksFirst: boolean): Promise<Entry> {
    const by = this.#claimant(asked);
    let found = looksFirst ? this.#parse(await read(this.#context, asked.recordKey)) : undefined;
    let frozeIt = false;
    // Of the first try: the one that stands there in the end may be that one, done late.
    let sentAt: Instant | undefined;
    for (let tries = 0; tries < limits.recordWriteTriesMax; tries++) {
      const leaseLeftMs = this.#leaseLeftMs(found);
      const admission = admit(found?.record, by, this.#fenceAbove(found?.record), leaseLeftMs <= 0);
      switch (admission.type) {
        case 'claim': {
          if (!hasRoom) return this.#full(asked, 'process');
          sentAt ??= this.#context.settings.ports.now();
          const written = await this.#claim(asked, by, found, admission);
          if (written.version !== undefined) {
            const { record, version } = written;
            this.#checkInTime(asked, by, sentAt);
            return { type: 'claimed', claimed: { recordKey: asked.recordKey, record, version, sentAt } };
          }
          found = written.found;
          break;
        }
        case 'own':
          // Only a claim that was just written is one's own, and that is told by `#claim`.
          throw new OutcomeUnknownError(`the claim ${by.claim} was found twice: its random number is no random number`);
        case 'freeze': {
          const write = await this.#overwrite(asked, found as Found, admission.next);
          frozeIt = write.written;
          found = write.found;
          break;
        }
        default:
          return { type: admission.type, record: (found as Found).record, leaseLeftMs, frozeIt };
      }
    }
    throw new OutcomeUnknownError(`the record "${asked.recordKey}" changed faster than it could be read: try again`);
  }

  /** @returns the version of our claim, or else what stands there instead */
  async #claim(
    asked: Asked,
    by: Claimant,
    over: Found | undefined,
    { next }: Extract<Admission, { type: 'claim' }>,
  ): Promise<{ version?: string; record: IdempotencyRecord; found: Found | undefined }> {
    let found: Found | undefined;
    try {
      const answer = await write(this.#context, asked.recordKey, over?.stored.version, next, undefined);
      if (answer.written && answer.record !== undefined) return { version: answer.record.version, record: next, found };
      found = this.#parse(answer.record);
    } catch (error) {
      if (isPermanent(error) || (error instanceof BackendUnavailableError && error.full)) throw error;
      // It may have been done. Nothing was executed yet, so one look more costs time and no more.
      found = await this.#look(asked, by, error);
    }
    if (found !== undefined && isOwn(found.record, by)) return { version: found.stored.version, record: found.record, found };
    return { record: next, found };
  }

  /** @throws OutcomeUnknownError if the claim is over already; it freezes nothing, because nothing was begun under it */
  #checkInTime(asked: Asked, by: Claimant, sentAt: Instant): void {
    if (remainingMs(deadlineFor(sentAt, by.leaseTtlMs), this.#context.settings.ports.now()) > 0) return;
    const message = `the claim on the request "${asked.key}" was confirmed after its lease: nothing was executed; send it again`;
    const error = new OutcomeUnknownError(message, { lock: asked.recordKey });
    this.#withdraw(asked, by, error);
    throw error;
  }

  async #look(asked: Asked, by: Claimant, cause: unknown): Promise<Found> {
    try {
      const found = this.#parse(await read(this.#context, asked.recordKey));
      if (found !== undefined) return found;
    } catch {
      this.#withdraw(asked, by, cause);
    }
    throw cause;
  }

  /** The claim may stand there with nobody behind it, and would freeze. That nothing was done is known here, and only here. */
  #withdraw(asked: Asked, by: Claimant, error: unknown): void {
    const { settings, background } = this.#context;
    const call = async () => {
      const found = this.#parse(await read(this.#context, asked.recordKey));
      if (found === undefined || !isOwn(found.record, by)) return;
      const ending = { type: 'threw-before-effect', error: 'never ran' } as const;
      const next = settled(found.record, found.record, ending, [], settings.ports.now().wallMs);
      if (next !== undefined) await write(this.#context, asked.recordKey, found.stored.version, next, undefined);
    };
    const warning = `a claim on the request "${asked.key}" may stand in the store with nobody behind it: it will freeze`;
    const timeoutMs = 2 * settings.callTimeoutMs;
    background.errand({ kind: 'withdrawal', warning, mattersMs: settings.leaseTtlMs, timeoutMs, call }, { error });
  }

  async #overwrite(asked: Asked, { stored }: Found, next: IdempotencyRecord) {
    const answer = await write(this.#context, asked.recordKey, stored.version, next, keptForMs(next));
    return { written: answer.written, found: this.#parse(answer.record) };
  }

  #parse(stored: StoredRecord | undefined): Found | undefined {
    return stored === undefined ? undefined : { stored, record: parseRecord(stored.value) };
  }

  #leaseLeftMs(found: Found | undefined): number {
    if (found === undefined) return 0;
    const { liveness } = this.#context;
    if (found.record.state === 'PROCESSING') return liveness.leftMs(found.stored, found.record.leaseTtlMs);
    liveness.forget(found.stored.key);
    return 0;
  }

  #claimant({ namespace, tenant, operation, key, signature }: Asked): Claimant {
    const { settings, node } = this.#context;
    const { ports, leaseTtlMs, ttlMs } = settings;
    const [claim, atMs] = [ports.randomOwner(), ports.now().wallMs];
    return { namespace, tenant, operation, key, signature, claim, node, leaseTtlMs, ttlMs, atMs };
  }

  /** Above the last one, and not below the clock: also when the record of an earlier request is long gone. */
  #fenceAbove(record: IdempotencyRecord | undefined): bigint {
    const wallUs = BigInt(Math.floor(this.#context.settings.ports.now().wallMs * 1_000));
    return mintFences(record?.fence ?? 0n, wallUs, 1).first;
  }

  #full({ recordKey }: Asked, where: Full['where'], cause?: unknown): Entry {
    const retryAfterMs = limits.fullRetryMs;
    const full: Full = { outcome: 'full', where, retryAfterMs, recordKey, ...(cause === undefined ? {} : { cause }) };
    return { type: 'full', full };
  }
}

function isOwn(record: IdempotencyRecord, { claim }: Claimant): boolean {
  return record.claim === claim && isHeldBy(record, record);
}
