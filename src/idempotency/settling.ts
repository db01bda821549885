import { Buffer } from 'node:buffer';
import { backoffMs } from '../core/backoff.js';
import { isPermanent } from '../core/calls.js';
import { BackendUnavailableError, LimitExceededError, OutcomeUnknownError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { RecordWrite, StoredRecord } from '../core/records.js';
import { type Context, keptForMs, read, write } from './context.js';
import { withLateOutcome } from './late.js';
import type { LiveClaim } from './live-claim.js';
import { type Ending, isHeldBy, isSettledBy, settled } from './machine.js';
import { type IdempotencyRecord, type LateOutcome, parseRecord } from './record.js';
import type { NotKeptBecause } from './values.js';

/** What stands in the store after the end of a handler. */
export type Settled =
  /** Written by this claim, now or by a write whose answer was lost. */
  | { readonly by: 'us'; readonly record: IdempotencyRecord }
  /** The claim had been lost: what others decided stands, and the late outcome is kept beside it. */
  | { readonly by: 'others'; readonly record: IdempotencyRecord; readonly late: LateOutcome };

/**
 * Writes down how a handler ended: under its lease, by compare-and-set, tried until the deadline. After the deadline, or when others have decided, as evidence.
 *
 * @throws OutcomeUnknownError, or what the store throws: then nothing may be told to have succeeded
 */
export async function settle(context: Context, claim: LiveClaim, ending: Ending): Promise<Settled> {
  claim.workDone();
  const inTime = await settleInTime(context, claim, ending);
  return inTime ?? settleLate(context, claim, ending);
}

/** The outcome is known here, and must not be told: the record freezes, and it is kept there as evidence. */
export async function leaveToReconciliation(context: Context, claim: LiveClaim, ending: Ending): Promise<void> {
  claim.workDone();
  await settleLate(context, claim, ending);
}

/** Undefined if the claim is lost. */
async function settleInTime(context: Context, claim: LiveClaim, wanted: Ending): Promise<Settled | undefined> {
  const { ports, callTimeoutMs } = context.settings;
  let ending = wanted;
  let failures = 0;
  while (claim.tick()) {
    const next = settled(claim.record, claim.record, ending, [...claim.effects], ports.now().wallMs);
    if (next === undefined) return undefined;
    const timeoutMs = Math.max(1, Math.min(callTimeoutMs, claim.remainingMs()));
    try {
      const answer = await write(context, claim.recordKey, claim.version, next, keptForMs(next), timeoutMs);
      if (answer.written) return { by: 'us', record: next };
      const found = foundBy(answer, claim);
      if (isSettledBy(found.record, claim.record)) return { by: 'us', record: found.record };
      if (!isHeldBy(found.record, claim.record)) return undefined;
      claim.adopt(found.record, found.version);
    } catch (error) {
      failures += 1;
      const because = notKeptBecause(error, failures);
      if (because !== undefined && 'answer' in ending && ending.answer.kept) {
        // The work is done all the same: that it was, is worth more than what came of it.
        ending = { ...ending, answer: { kept: false, because, bytes: Buffer.byteLength(ending.answer.text) } };
        continue;
      }
      if (isPermanent(error)) throw error;
      const pauseMs = backoffMs(failures, limits.backoffMsMin, limits.backoffMsMax, ports.random());
      await new Promise<void>((resolve) => ports.timer(Math.min(pauseMs, Math.max(1, claim.remainingMs())), resolve));
    }
  }
  return undefined;
}

/** A store that is nearly full takes small claims, and then not their large answers: without this, every request would be executed, and freeze. */
function notKeptBecause(error: unknown, failures: number): NotKeptBecause | undefined {
  if (error instanceof LimitExceededError) return 'too-large';
  const isFull = error instanceof BackendUnavailableError && error.full;
  return isFull && failures >= limits.fullTriesMax ? 'no-room' : undefined;
}

async function settleLate(context: Context, claim: LiveClaim, ending: Ending): Promise<Settled> {
  const late = lateOutcomeOf(context, claim, ending);
  let stored = await read(context, claim.recordKey);
  for (let tries = 0; tries < limits.recordWriteTriesMax; tries++) {
    const found = foundBy({ record: stored }, claim);
    if (isSettledBy(found.record, claim.record)) return { by: 'us', record: found.record };
    const next = withLateOutcome(found.record, late);
    if (next === undefined) return { by: 'others', record: found.record, late };
    const answer = await write(context, claim.recordKey, found.version, next, leftMs(next, stored));
    if (answer.written) return { by: 'others', record: next, late };
    stored = answer.record;
  }
  throw new OutcomeUnknownError(`the record "${claim.recordKey}" changed faster than it could be written: reconcile it`);
}

/** An answer that is kept anyway is not kept for longer because of what came late. */
function leftMs(next: IdempotencyRecord, stored: StoredRecord | undefined): number | undefined {
  const keptMs = keptForMs(next);
  if (keptMs === undefined || stored?.expiresAtMs === undefined) return keptMs;
  return Math.max(1, stored.expiresAtMs - stored.storeTimeMs);
}

function foundBy({ record: stored }: Pick<RecordWrite, 'record'>, claim: LiveClaim) {
  if (stored !== undefined) return { record: parseRecord(stored.value), version: stored.version };
  throw new OutcomeUnknownError(
    `the record "${claim.recordKey}" is gone while its request ran: the store has lost data, or it was decided elsewhere and its time is over; find out what the request did before it is sent again`,
  );
}

function lateOutcomeOf({ settings, node }: Context, claim: LiveClaim, ending: Ending): LateOutcome {
  const { attempt, fence } = claim.record;
  return {
    attempt,
    fence,
    node,
    outcome: ending.type,
    effects: [...claim.effects],
    answer: 'answer' in ending ? ending.answer : undefined,
    error: 'error' in ending ? ending.error : undefined,
    atMs: settings.ports.now().wallMs,
  };
}
