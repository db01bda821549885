import type { LockRecord } from '../../core/backend.js';
import { roughDuration } from '../../core/rough-duration.js';
import type { Facts } from '../facts.js';
import { holdsOf } from '../holds.js';
import type { Rule } from '../verdict.js';
import { endStep } from './ending.js';
import { isDead } from './holder-dead.js';
import { isPaused } from './holder-paused.js';

/** Work that takes twice as long as expected is worth a look; less may be noise. */
const farLonger = 2;
/** Callers that come within a slice are served, too (`limits.sliceMs`), and machines are busy. */
const noiseMs = 500;
/** A TTL is far above the work where a crash costs the others so many times the work, and more than the shortest. */
const farAboveWork = 20;
const ttlMsMin = 60_000;

/** The holder lives, and holds it far longer than it was expected to. */
export const heldLongerThanExpected: Rule = (facts, commands) =>
  holdsOf(facts).flatMap((view) => {
    const { record } = view;
    const expectedMs = expectedHoldMs(record, facts);
    if (expectedMs === undefined || record.sinceMs <= farLonger * expectedMs + noiseMs || isDead(view) || isPaused(view))
      return [];
    const { pid, host } = record.node;
    const look = { why: 'see what it is doing', command: commands.processes([pid]) };
    const why = 'end it: the holder is told, and the next one gets the name';
    const end = endStep(facts, commands, record, 'held far longer than expected', why);
    return [
      {
        id: 'held-longer-than-expected',
        severity: 'warning',
        summary: `held for ${roughDuration(record.sinceMs)}, and ${roughDuration(expectedMs)} was expected`,
        evidence: [
          `held by process ${pid} on ${host}: fence ${record.fence}${record.renewals === undefined ? '' : `, ${record.renewals} renewals`}`,
          view.renewed ? 'its holder renews it: it lives, and works or hangs' : 'its next renewal is not due yet',
        ],
        next: view.process.state === 'runs' ? [look, end] : [end],
      },
    ];
  });

/** If the holder crashes, everybody waits for far longer than the work takes. */
export const ttlFarAboveWork: Rule = (facts, commands) =>
  holdsOf(facts).flatMap((view) => {
    const { record } = view;
    const expectedMs = expectedHoldMs(record, facts);
    if (expectedMs === undefined || record.ttlMs < ttlMsMin || record.ttlMs < farAboveWork * expectedMs || isDead(view))
      return [];
    return [
      {
        id: 'ttl-far-above-work',
        severity: 'warning',
        summary: `its TTL of ${roughDuration(record.ttlMs)} is far above the work, which takes ${roughDuration(expectedMs)}`,
        evidence: [
          'a holder that crashes keeps the others waiting for up to the TTL; renewal keeps a short one alive for as long as the work runs',
          `held by process ${record.node.pid} on ${record.node.host}: fence ${record.fence}`,
        ],
        next: [{ why: 'give its requests a shorter ttlMs; look again', command: commands.doctor(record.name) }],
      },
    ];
  });

/** Of one hold; whoever asks knows better than the holder. */
function expectedHoldMs({ metadata }: LockRecord, facts: Facts): number | undefined {
  const own = metadata['expectedHoldMs'];
  return facts.expectedHoldMs ?? (typeof own === 'number' && own > 0 ? own : undefined);
}
