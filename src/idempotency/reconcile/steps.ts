import type { Calls } from '../../core/calls.js';
import { OutcomeUnknownError } from '../../core/errors.js';
import { mintFences } from '../../core/fence.js';
import { limits } from '../../core/limits.js';
import type { Records, StoredRecord } from '../../core/records.js';
import type { LogTurn } from '../../core/request-log.js';
import { keptForMs, read, write } from '../context.js';
import { withLateOutcome } from '../late.js';
import type { Liveness } from '../liveness.js';
import { freezeEnded } from '../machine.js';
import { type Reconciler as By, resolveFrozen, takeFrozen } from '../reconciling.js';
import { type IdempotencyRecord, parseRecord } from '../record.js';
import { checkDecision, type Decided, type Evidence, type FrozenRequest } from './decision.js';
import type { Settings } from './options.js';
import type { Outcome } from './outcomes.js';

/** The term under which records are resolved. What `lead` hands to its work fits. */
export interface Leading {
  readonly term: bigint;
  readonly signal: AbortSignal;
  /** @throws LeaseLostError */
  assertLeading(): void;
}

export interface Work {
  readonly records: Records<never>;
  readonly calls: Calls;
  readonly settings: Settings;
  readonly liveness: Liveness;
  readonly leading: Leading;
  readonly by: By;
}

interface Taken {
  readonly record: FrozenRequest;
  readonly version: string;
}

/**
 * One record, from what was found to its outcome. The order is what it rests on: first the term and a fence above all before are written over what was
 * found, so that an older reconciler's writes fail; then the sinks are raised, so that the paused original's fail; only then evidence is read; and the outcome is
 * written over exactly what the evidence was read with.
 *
 * @throws whatever a store, a sink, the log or `resolve` throws: nothing was resolved, and the next pass begins anew. LeaseLostError: the term is over
 */
export async function reconcileOne(work: Work, stored: StoredRecord): Promise<Outcome> {
  const taken = await take(work, stored);
  if ('type' in taken) return taken;
  const { record } = taken;
  const log = await takeLog(work, record);
  if (log === 'overtaken') return overtaken(record);
  const marks = await raiseSinks(work, record);
  for (let tries = 0; tries < limits.decisionTriesMax; tries++) {
    const found = await look(work, record);
    if (found === undefined) return overtaken(record);
    const evidence: Evidence = { late: found.record.evidence, marks, log: log?.entries };
    const decided = await decide(work, found.record, evidence);
    if ('unknown' in decided) return { type: 'unknown', record: found.record, why: decided.unknown, version: found.version };
    const settled = await settle(work, found, decided, log);
    if (settled !== 'changed') return settled;
  }
  throw new OutcomeUnknownError(`evidence on "${record.recordKey}" came faster than it could be decided on: it is tried again`);
}

/** Writes the term and a higher fence over what was found. */
async function take(work: Work, from: StoredRecord): Promise<Taken | Outcome> {
  const { settings, by, leading } = work;
  let stored: StoredRecord | undefined = from;
  for (let tries = 0; tries < limits.recordWriteTriesMax; tries++) {
    if (stored === undefined) return { type: 'settled' };
    const found = parseRecord(stored.value);
    const atMs = settings.ports.now().wallMs;
    const frozen = frozenOf(work, stored, found, atMs);
    if ('type' in frozen) return frozen;
    const next = takeFrozen(frozen, by, fenceAbove(work, found), atMs);
    if (next === undefined) return { type: 'overtaken', recordKey: from.key };
    leading.assertLeading();
    const answer = await write(work, from.key, stored.version, next, undefined);
    if (answer.written && answer.record !== undefined) {
      return { record: { ...next, recordKey: from.key }, version: answer.record.version };
    }
    stored = answer.record;
  }
  throw new OutcomeUnknownError(`the record "${from.key}" changed faster than it could be taken: it is tried again`);
}

/** FROZEN, or PROCESSING under a lease that is over although nobody wrote that down. */
function frozenOf(work: Work, stored: StoredRecord, record: IdempotencyRecord, atMs: number): IdempotencyRecord | Outcome {
  if (record.state === 'FROZEN') return record;
  if (record.state !== 'PROCESSING') return { type: 'settled' };
  const leaseLeftMs = work.liveness.leftMs(stored, record.leaseTtlMs);
  const frozen = leaseLeftMs <= 0 ? freezeEnded(record, atMs) : undefined;
  return frozen ?? { type: 'running', lookAgainMs: stored.ageMs === undefined ? leaseLeftMs : undefined };
}

function fenceAbove({ settings }: Work, { fence }: IdempotencyRecord): bigint {
  return mintFences(fence, BigInt(Math.floor(settings.ports.now().wallMs * 1_000)), 1).first;
}

async function takeLog(
  { settings, by, calls }: Work,
  { recordKey, fence }: FrozenRequest,
): Promise<LogTurn | 'overtaken' | undefined> {
  const { log, callTimeoutMs } = settings;
  if (log === undefined) return undefined;
  const turn = await calls.promise(callTimeoutMs, 'taking a request in the log', () => log.take({ recordKey, fence, ...by }));
  return turn ?? 'overtaken';
}

async function raiseSinks({ settings, calls }: Work, record: FrozenRequest): Promise<Evidence['marks']> {
  const writes = settings.sinks.flatMap(({ guard, resources }) =>
    (resources?.(record) ?? [record.recordKey]).map((resource) => ({ guard, resource })),
  );
  return Promise.all(
    writes.map(async ({ guard, resource }) => {
      const doing = `raising the fence at ${guard.sink}`;
      const mark = await calls.promise(settings.callTimeoutMs, doing, () => guard.raise({ resource, fence: record.fence }));
      if (mark >= record.fence) return { sink: guard.sink, resource, mark };
      throw new OutcomeUnknownError(
        `${guard.sink} answered that its mark for "${resource}" is ${mark} after it was raised to ${record.fence}: mend this guard`,
      );
    }),
  );
}

/** The record with all evidence, if it is still ours. */
async function look(work: Work, taken: FrozenRequest): Promise<Taken | undefined> {
  const stored = await read(work, taken.recordKey);
  if (stored === undefined) return undefined;
  const found = parseRecord(stored.value);
  if (!isOurs(work, found, taken) || found.state !== 'FROZEN' || found.resolution?.verdict !== undefined) return undefined;
  return { record: { ...found, recordKey: taken.recordKey }, version: stored.version };
}

function isOurs(work: Work, found: IdempotencyRecord, taken: FrozenRequest): boolean {
  return found.fence === taken.fence && isBy(work, found);
}

function isBy({ by }: Work, { resolution }: IdempotencyRecord): boolean {
  return resolution?.term === by.term && resolution.by === by.by;
}

async function decide(
  work: Work,
  record: FrozenRequest,
  evidence: Evidence,
): Promise<Decided | { readonly unknown: string | undefined }> {
  const { settings, calls, leading } = work;
  leading.assertLeading();
  const late = new AbortController();
  const signal = AbortSignal.any([leading.signal, late.signal]);
  const call = async () => settings.resolve(structuredClone(record), structuredClone(evidence), { term: work.by.term, signal });
  try {
    const asking = calls.promise(settings.resolveTimeoutMs, `resolving "${record.recordKey}"`, call);
    const decision = await unlessAborted(leading.signal, asking);
    return (
      checkDecision(decision, record, evidence, settings.answerBytesMax) ?? {
        unknown: 'why' in decision ? decision.why : undefined,
      }
    );
  } catch (error) {
    late.abort(error);
    throw error;
  }
}

/** Writes the outcome over exactly what it was decided on. */
async function settle(
  work: Work,
  { record, version }: Taken,
  { verdict, why }: Decided,
  log: LogTurn | undefined,
): Promise<Outcome | 'changed'> {
  const { settings, by, leading, calls } = work;
  const { recordKey, ...plain } = record;
  const decided = resolveFrozen(plain, by, verdict, why, settings.ports.now().wallMs);
  if (decided === undefined) return overtaken(record);
  // Evidence that was there already contradicts as much as what comes later.
  const next = decided.evidence.reduce((sum, late) => withLateOutcome(sum, late) ?? sum, decided);
  const done = { type: 'resolved', record: { ...next, recordKey }, verdict: verdict.verdict, disputed: next.disputed } as const;
  leading.assertLeading();
  if (log !== undefined) {
    const isAppended = await calls.promise(settings.callTimeoutMs, 'appending a resolution', () =>
      log.resolved(verdict.verdict, why),
    );
    if (!isAppended) return overtaken(record);
    leading.assertLeading();
  }
  let stored: StoredRecord | undefined;
  try {
    const answer = await write(work, recordKey, version, next, keptForMs(next));
    if (answer.written) return done;
    stored = answer.record;
  } catch (error) {
    // It may have been written: one look tells, or the next pass.
    stored = await read(work, recordKey).catch(() => {
      throw error;
    });
    if (stored?.version === version) throw error;
  }
  const found = stored === undefined ? undefined : parseRecord(stored.value);
  // Our own write, whose answer was lost. After `retry` somebody may have claimed it meanwhile.
  if (found !== undefined && isBy(work, found) && found.resolution?.verdict !== undefined) return done;
  return found !== undefined && isOurs(work, found, record) ? 'changed' : overtaken(record);
}

/** Nobody waits for an answer that must not be used. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const tell = () => reject(signal.reason as Error);
    if (signal.aborted) tell();
    signal.addEventListener('abort', tell);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', tell));
  });
}

function overtaken(record: FrozenRequest): Outcome {
  return { type: 'overtaken', recordKey: record.recordKey, record };
}
