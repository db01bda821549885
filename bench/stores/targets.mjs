import { against } from '../lib/best.mjs';

/** What the project set out to reach on each of these stores. */
export function targetsOf(contenders) {
  const [floor] = contenders;
  const holdfasts = contenders.filter(({ ours }) => ours);
  const peers = contenders.filter((contender) => contender !== floor && !contender.ours);
  const atLeast = (says, work, others, limit) => ({
    says,
    measure: against(work, holdfasts, others),
    met: (value) => value >= limit,
  });
  return [
    atLeast('solo: at least 0.9 of the floor', 'solo', [floor], 0.9),
    atLeast('xproc: at least the pairs/s of the best peer', 'xproc', peers, 1),
    atLeast('handover: at least the pairs/s of the best peer', 'handover', peers, 1),
  ];
}
