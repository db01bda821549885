import { against, ownFigure } from '../lib/best.mjs';
import { factor, ms, percent } from '../lib/figures.mjs';

/** What the project set out to reach on Redis. With two clients, the better one counts, and is named. */
export function targetsOf(floor, holdfasts, peers) {
  const atLeast = (says, work, others, limit) => ({
    says,
    measure: against(work, holdfasts, others),
    met: (value) => value >= limit,
  });
  const atMost = (says, work, figure, limit, show = factor) => ({
    says,
    measure: ownFigure(work, holdfasts, figure),
    met: (value) => value <= limit,
    show: (value) => (Number.isNaN(value) ? 'failed' : show(value)),
  });

  return [
    atLeast('solo: at least 0.9 of raw commands', 'solo', [floor], 0.9),
    atLeast('parallel: at least 0.9 of raw commands', 'parallel', [floor], 0.9),
    atLeast('inproc: at least 20 × the pairs/s of the best peer', 'inproc', peers, 20),
    atMost('inproc: p99 wait of at most 5 ms', 'inproc', (row) => row.waitMs?.p99, 5, ms),
    atLeast('xproc: at least 1.2 × the pairs/s of the best peer', 'xproc', peers, 1.2),
    atMost('xproc: p99 wait of at most 60 ms', 'xproc', (row) => row.waitMs?.p99, 60, ms),
    atMost('xproc: busiest caller within a factor 1.3 of the idlest', 'xproc', (row) => row.spread, 1.3),
    atMost('held: at most 1.5 % of a core', 'held', (row) => row.cpuShare, 0.015, percent),
    atMost('held: at most 0.5 µs of server time per lease and second', 'held', (row) => row.serverUsPerLeaseSecond, 0.5, ms),
    atMost(
      'held: at most 1,024 bytes of heap per lease',
      'held',
      (row) => row.heapPerLease,
      1_024,
      (value) => `${Math.round(value)} B`,
    ),
  ];
}
