import { roughDuration } from '../../core/rough-duration.js';
import { holdsOf } from '../holds.js';
import { present } from '../facts.js';
import type { Rule } from '../verdict.js';
import { endStep } from './ending.js';

/** Marks are microseconds or a little more (`core/fence.ts`): beyond this, a mark lies in the future. */
const futureUs = 60_000_000n;

/**
 * The sink has seen a higher fence than any holder has: it refuses what they write. The mark was read before the store was asked, so that
 * no hand-over in between is taken for it.
 */
export const fenceBehindSink: Rule = (facts, commands) => {
  const { sinkMark } = present(facts);
  const [highest] = holdsOf(facts)
    .map(({ record }) => record)
    .sort((a, b) => Number((b.fence ?? 0n) - (a.fence ?? 0n)));
  if (facts.sink === undefined || sinkMark === undefined || highest?.fence === undefined || highest.fence >= sinkMark) return [];
  const nowUs = BigInt(Math.round(facts.wallMs)) * 1_000n;
  const aheadUs = sinkMark - nowUs;
  // Some stores count in other units: then the holder's own fence is not near the clock either.
  const isFuture = aheadUs > futureUs && highest.fence - nowUs <= futureUs;
  const { sink, resource } = facts.sink;
  return [
    {
      id: 'fence-behind-sink',
      severity: 'critical',
      summary: `the ${sink} sink refuses its holder: fence ${highest.fence} is behind the mark ${sinkMark}`,
      evidence: [
        `the mark of "${resource}" was raised by a holder with a higher fence, on this store or another`,
        isFuture
          ? `the mark lies ${roughDuration(Number(aheadUs / 1_000n))} in the future: some clock was, or other fences are written there`
          : `held by process ${highest.node.pid} on ${highest.node.host}, since ${roughDuration(highest.sinceMs)}`,
      ],
      next: isFuture
        ? [{ why: 'see whether a clock of the store is off', command: commands.store() }]
        : [endStep(facts, commands, highest, 'its fence is behind the sink', 'end this hold: the next fence is higher')],
    },
  ];
};
