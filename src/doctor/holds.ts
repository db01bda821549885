import type { LockRecord } from '../core/backend.js';
import { type Facts, holdKey, isForeign, type Look, present } from './facts.js';
import type { ProcessSight } from './processes.js';

/** A hold as several looks show it. */
export interface HoldView {
  /** As of the last look. */
  readonly record: LockRecord;
  /** From the first look that shows it to the last. */
  readonly seenForMs: number;
  readonly renewed: boolean;
  /** It was not renewed between two looks, and by the last of them it should have been. */
  readonly overdue: boolean;
  /** `gone`, `stopped`, `rebooted` only where a later look still shows the hold: a process that releases and ends is none of them. */
  readonly process: ProcessSight;
}

/** Ours, as of the last look. */
export function holdsOf(facts: Facts): readonly HoldView[] {
  return present(facts)
    .held.filter((record) => !isForeign(record))
    .map((record) => holdView(record, facts.looks));
}

export function holdView(now: LockRecord, looks: readonly Look[]): HoldView {
  const key = holdKey(now);
  const seen = looks.flatMap((look) => {
    const record = [...look.held, ...look.waiting].find((each) => holdKey(each) === key);
    return record === undefined ? [] : [{ look, record }];
  });
  const [first] = seen;
  const last = seen.at(-1);
  const renewed = seen.some((later, i) => seen.slice(0, i).some((earlier) => isRenewedBetween(earlier, later)));
  return {
    record: now,
    seenForMs: (last?.look.atMs ?? 0) - (first?.look.atMs ?? 0),
    renewed,
    overdue: seen.length > 1 && !renewed && isOverdue(now),
    process: processOf(seen.map(({ look }) => look.processes.get(key) ?? { state: 'unseen' })),
  };
}

interface Seen {
  readonly look: Look;
  readonly record: LockRecord;
}

/** How inexact a look is about when a lease ends: answers take their time. */
const noiseMs = 50;
const noiseTtlRatio = 0.1;

function isRenewedBetween(a: Seen, b: Seen): boolean {
  if ((b.record.renewals ?? 0) > (a.record.renewals ?? 0)) return true;
  if (a.record.expiresInMs === undefined || b.record.expiresInMs === undefined) return false;
  if (isUntold(a.record) && isUntold(b.record)) return false;
  const gainedMs = b.look.atMs + b.record.expiresInMs - (a.look.atMs + a.record.expiresInMs);
  return gainedMs > Math.max(noiseMs, b.record.ttlMs * noiseTtlRatio, coarseMs(a.record), coarseMs(b.record));
}

/** A store that counts no renewals, and has the whole TTL to tell: it does not know how much of it is left. */
export function isUntold({ expiresInMs, ttlMs, renewals }: LockRecord): boolean {
  return expiresInMs === undefined || (expiresInMs === ttlMs && renewals === undefined);
}

const secondMs = 1_000;

/** What a store has cut off that tells whole seconds. */
function coarseMs({ expiresInMs = 1 }: LockRecord): number {
  return expiresInMs % secondMs === 0 ? secondMs : 0;
}

/** How much may be left of it. */
export function leftMsMax(record: LockRecord): number | undefined {
  return record.expiresInMs === undefined ? undefined : record.expiresInMs + coarseMs(record);
}

/** A renewal is planned each third of the TTL; one that is half a period late and some more was missed. */
const overdueAfterTtlRatio = 1 / 2;
const overdueSlackMs = 500;
const overdueSlackTtlRatio = 0.2;

/** Time left at which a renewal is overdue. */
export function overdueAtMs(ttlMs: number): number {
  return ttlMs * (1 - overdueAfterTtlRatio) - Math.min(overdueSlackMs, ttlMs * overdueSlackTtlRatio);
}

export function isOverdue(record: LockRecord): boolean {
  const leftMs = leftMsMax(record);
  return leftMs !== undefined && leftMs < overdueAtMs(record.ttlMs);
}

/** The sights of all looks that show it. What the last one alone says is not confirmed. */
function processOf(sights: readonly ProcessSight[]): ProcessSight {
  const now = sights.at(-1) ?? { state: 'unseen' };
  const before = sights.slice(0, -1);
  const gone = before.find(({ state }) => state === 'gone' || state === 'rebooted');
  if (gone !== undefined) return gone;
  if (now.state === 'stopped' && before.at(-1)?.state === 'stopped') return now;
  return now.state === 'unseen' ? now : { state: 'runs' };
}
