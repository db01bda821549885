import type { NamePause } from '../../core/examination.js';
import { limits } from '../../core/limits.js';
import { roughDuration } from '../../core/rough-duration.js';
import { type Facts, present } from '../facts.js';
import { holdView } from '../holds.js';
import { claimAgeMs, lateClaimMs, wasSeenBefore } from '../patience.js';
import type { Rule } from '../verdict.js';

/** Nobody holds it, and whoever is first in the queue cannot take it. */
export const stuckBehindDeadWaiter: Rule = (facts, commands) => {
  const { held, waiting, examination } = present(facts);
  const [head] = waiting;
  if (held.length > 0 || head === undefined) return [];
  const { process } = holdView(head, facts.looks);
  if (process.state !== 'gone' && process.state !== 'stopped') return [];
  const { pid, host } = head.node;
  const claim = examination.pauses.find(({ because }) => because === 'claim');
  // Alone, and not offered anything: whoever asks next is not held up.
  if (claim === undefined && waiting.length === 1) return [];
  const left = roughDuration(claim?.leftMs ?? limits.claimMs);
  const others = waiting.length - 1;
  return [
    {
      id: 'stuck-behind-dead-waiter',
      severity: 'warning',
      summary: `nobody holds it, and the first in the queue is ${process.state === 'gone' ? 'dead' : 'stopped'}: it is passed over in ${left} at most`,
      evidence: [
        process.state === 'gone' ? process.why : `process ${pid} on ${host} is stopped (state T)`,
        `it has waited for ${roughDuration(head.sinceMs)}; ${others} more wait behind it`,
      ],
      next: [
        process.state === 'stopped'
          ? { why: 'let it go on', command: commands.continue(pid) }
          : { why: 'the store passes it over by itself: see who has it then', command: commands.inspect(facts.name) },
      ],
    },
  ];
};

/** Nobody holds it, and nobody is granted it for a while yet. */
export const waitingOutAPause: Rule = (facts, commands) => {
  const { held, waiting, examination } = present(facts);
  if (held.length > 0 || stuckBehindDeadWaiter(facts, commands).length > 0) return [];
  return examination.pauses
    .filter((pause) => pause.because !== 'claim' || claimIsLate(pause, facts))
    .map(({ because, leftMs, of }) => ({
      id: 'waiting-out-a-pause',
      severity: 'warning',
      summary: `nobody holds it, and nobody gets it ${leftMs === undefined ? 'yet' : `for another ${roughDuration(leftMs)}`}: ${reasons[because]}`,
      evidence: [`waited for: ${of}`, `${waiting.length} in the queue`],
      next: [{ why: 'it ends by itself: look again', command: commands.doctor(facts.name) }],
    }));
};

const reasons = {
  claim: 'it was offered to a waiter that does not come',
  'restart-grace': 'a server that lost its memory sits out leases that it may have forgotten',
  'lock-delay': 'its last session ended without a release, and the store keeps the name back',
} as const;

function claimIsLate(claim: NamePause, { looks }: Facts): boolean {
  return wasSeenBefore(claim, looks) && claimAgeMs(claim, looks) > lateClaimMs;
}
