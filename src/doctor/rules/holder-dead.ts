import { roughDuration } from '../../core/rough-duration.js';
import { holdsOf, type HoldView } from '../holds.js';
import type { Rule } from '../verdict.js';
import { endStep } from './ending.js';

/** The process that holds it is gone, or its machine has started anew: nobody renews it any more. */
export const holderDead: Rule = (facts, commands) =>
  holdsOf(facts)
    .filter(isDead)
    .map(({ record, process }) => {
      const { node, fence, ttlMs, expiresInMs } = record;
      const ends =
        expiresInMs === undefined ? 'ends by itself when the store notices' : `ends by itself in ${roughDuration(expiresInMs)}`;
      return {
        id: 'holder-dead',
        severity: 'warning',
        summary: `its holder is dead; the lease ${ends}`,
        evidence: [
          'why' in process ? process.why : '',
          `still held by process ${node.pid} on ${node.host}: fence ${fence}, TTL ${roughDuration(ttlMs)}, since ${roughDuration(record.sinceMs)}`,
        ],
        next: [endStep(facts, commands, record, 'its holder is dead', 'wait, or give it to the next one now')],
      };
    });

/** A host name is no proof: a machine of the same name that renews is alive. */
export function isDead({ process, overdue }: HoldView): boolean {
  return process.state === 'gone' || (process.state === 'rebooted' && overdue);
}
