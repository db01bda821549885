import { limits } from '../core/limits.js';
import { freezeEnded } from './machine.js';
import type { IdempotencyRecord, LateOutcome } from './record.js';
import type { Encoded } from './values.js';

/**
 * Keeps a late outcome as evidence, whatever the state, and writes it over nothing; `disputed` if it contradicts what was decided. A record that is still
 * PROCESSING under the late one's own claim freezes: its lease had ended, and nobody had seen it yet. Undefined if nothing would change.
 */
export function withLateOutcome(record: IdempotencyRecord, late: LateOutcome): IdempotencyRecord | undefined {
  const disputed = record.disputed || contradicts(record, late);
  const isKnown = record.evidence.some(({ attempt, fence }) => attempt === late.attempt && fence === late.fence);
  const isFull = record.evidence.length >= limits.lateOutcomesMax;
  const isOwn = record.attempt === late.attempt && record.fence === late.fence;
  const frozen = isOwn ? freezeEnded(record, late.atMs) : undefined;
  if ((isKnown || isFull) && disputed === record.disputed && frozen === undefined) return undefined;
  const evidence = isKnown || isFull ? record.evidence : [...record.evidence, late];
  return { ...(frozen ?? record), evidence, disputed };
}

function contradicts(record: IdempotencyRecord, late: LateOutcome): boolean {
  const hasAnswer = late.outcome === 'completed' || late.outcome === 'failed';
  // Another try was allowed, because nothing was applied.
  if (record.state === 'PENDING' || record.attempt > late.attempt) return hasAnswer;
  switch (record.state) {
    case 'COMPLETED':
      return late.outcome === 'completed' ? differ(record.answer, late.answer) : late.outcome !== 'threw';
    case 'FAILED':
      return late.outcome === 'failed' ? differ(record.answer, late.answer) : late.outcome === 'completed';
    default:
      return false;
  }
}

/** Only what was kept can be compared. */
function differ(a: Encoded | undefined, b: Encoded | undefined): boolean {
  return a?.kept === true && b?.kept === true && a.text !== b.text;
}
