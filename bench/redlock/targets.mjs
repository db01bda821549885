import { against, ownFigure } from '../lib/best.mjs';
import { factor, ms } from '../lib/figures.mjs';

const nodeTimeoutMs = 250;

/** What the project set out to reach with five nodes. With two clients, the better one counts, and is named. */
export function targetsOf(holdfasts, peers) {
  return [
    {
      says: 'solo: latency at most 1.3 × that of the best peer',
      measure: against('solo', holdfasts, peers, (ours, best) => best / ours),
      met: (value) => value <= 1.3,
    },
    {
      says: 'xproc: at least 2 × the pairs/s of the best peer',
      measure: against('xproc', holdfasts, peers),
      met: (value) => value >= 2,
    },
    {
      says: 'handover: at least 2 × the pairs/s of the best peer',
      measure: against('handover', holdfasts, peers),
      met: (value) => value >= 2,
    },
    {
      says: `stopped: no wait longer than the node timeout of ${nodeTimeoutMs} ms`,
      measure: ownFigure('stopped', holdfasts, (row) => row.waitMs?.max),
      met: (value) => value <= nodeTimeoutMs,
      show: (value) => (Number.isNaN(value) ? 'failed' : ms(value)),
    },
    {
      says: 'stopped: at least half the pairs/s of solo',
      measure: ({ solo, stopped }) => {
        const rate = (rows) => Math.max(...holdfasts.map(({ key }) => rows?.[key]?.pairsPerSecond ?? Number.NaN));
        return solo && stopped && rate(stopped) / rate(solo);
      },
      met: (value) => value >= 0.5,
      show: factor,
    },
  ];
}
