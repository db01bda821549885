import type { LockRecord } from '../core/backend.js';
import type { NamePause } from '../core/examination.js';
import { limits } from '../core/limits.js';
import { holdKey, isForeign, type Look } from './facts.js';
import { holdView, isOverdue, isUntold, leftMsMax, overdueAtMs } from './holds.js';

/** Between what one look says and its confirmation: no hand-over takes so long. */
const confirmMs = 300;
/** In a healthy queue a claim takes milliseconds, and whoever missed the wake-up comes with its next poll. */
export const lateClaimMs = limits.pollMsMax;
/** Renewals are planned for a third of the TTL, and may take so long. */
const renewalMs = 150;
const renewalTtlRatio = 0.05;

/** When the next look can tell more than those so far; undefined when all is known. */
export function nextLookInMs(looks: readonly Look[]): number | undefined {
  const last = looks.at(-1);
  if (last === undefined) return 0;
  const waits = [...last.held, ...last.waiting].flatMap((record) => (isForeign(record) ? [] : [waitFor(record, looks)]));
  if (looks.length === 1 && hasNews(last)) waits.push(confirmMs);
  else waits.push(untilClaimIsLate(looks));
  const known = waits.filter((ms) => ms !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function waitFor(record: LockRecord, looks: readonly Look[]): number | undefined {
  const view = holdView(record, looks);
  const sight = looks.at(-1)?.processes.get(holdKey(view.record))?.state;
  // Seen once: whoever has just released, and ended, looks the same.
  if ((sight === 'gone' || sight === 'stopped') && view.process.state !== sight) return confirmMs;
  if (record.state === 'waiting' || view.process.state === 'gone' || view.process.state === 'stopped') return undefined;
  const wasFirst = looks[0]?.held.some((each) => holdKey(each) === holdKey(record));
  // The name changes hands: somebody lives.
  if (!wasFirst || view.renewed || view.overdue) return undefined;
  return untilRenewed(record);
}

/** How long until a renewal was either seen or missed. */
function untilRenewed(record: LockRecord): number | undefined {
  const { ttlMs } = record;
  const leftMs = leftMsMax(record);
  if (leftMs === undefined || isUntold(record)) return undefined;
  if (isOverdue(record)) return confirmMs;
  const dueMs = leftMs - ttlMs * (1 - limits.renewAfterRatio) + Math.max(renewalMs, ttlMs * renewalTtlRatio);
  const untilOverdueMs = leftMs - overdueAtMs(ttlMs) + 10;
  return dueMs > 0 ? Math.min(dueMs, untilOverdueMs) : untilOverdueMs;
}

/** A claim that stands still is waited for until it is late, or gone. */
function untilClaimIsLate(looks: readonly Look[]): number | undefined {
  const claim = looks.at(-1)?.examination.pauses.find(({ because }) => because === 'claim');
  if (claim === undefined) return undefined;
  const lateInMs = lateClaimMs - claimAgeMs(claim, looks);
  return !wasSeenBefore(claim, looks) || lateInMs < 0 ? undefined : lateInMs + 10;
}

/** Whether the look before the last shows the same claim. */
export function wasSeenBefore(claim: NamePause, looks: readonly Look[]): boolean {
  return looks.at(-2)?.examination.pauses.some((each) => isSame(each, claim)) ?? false;
}

/** For how long it has been offered; where the store does not tell, for how long it has been seen. */
export function claimAgeMs(claim: NamePause, looks: readonly Look[]): number {
  if (claim.leftMs !== undefined) return limits.claimMs - claim.leftMs;
  const gap = looks.findLastIndex(({ examination: { pauses } }) => !pauses.some((each) => isSame(each, claim)));
  return (looks.at(-1)?.atMs ?? 0) - (looks[gap + 1]?.atMs ?? 0);
}

function isSame(a: NamePause, b: NamePause): boolean {
  return a.because === b.because && a.of === b.of;
}

/** What holds only if it is still so a moment later. */
function hasNews({ held, waiting, examination: { foreign, pauses, rivals } }: Look): boolean {
  const isIdle = held.length === 0 && waiting.length > 0;
  return isIdle || pauses.length > 0 || rivals.length > 0 || foreign.some(({ expiresInMs }) => expiresInMs === undefined);
}
