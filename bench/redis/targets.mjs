import { factor, ms, percent } from '../lib/figures.mjs';

/** The best row of a work among some contenders, and whose it is; undefined if none of them was asked to do it. */
function best(rows, contenders, figure, better) {
  const asked = contenders.flatMap((contender) =>
    rows?.[contender.key] ? [{ contender, value: figure(rows[contender.key]) }] : [],
  );
  if (asked.length === 0) return undefined;
  const done = asked.filter(({ value }) => value !== undefined).sort((a, b) => better(a.value, b.value));
  return done[0] ?? { contender: asked[0].contender, value: Number.NaN };
}

const most = (a, b) => b - a;
const least = (a, b) => a - b;
const pairsPerSecond = (row) => row.pairsPerSecond;

/** What the project set out to reach on Redis. With two clients, the better one counts, and is named. */
export function targetsOf(floor, holdfasts, peers) {
  const client = (contender) => contender.label.replace('Holdfast, ', '');

  function against(work, others) {
    return (figures) => {
      const own = best(figures[work], holdfasts, pairsPerSecond, most);
      const other = best(figures[work], others, pairsPerSecond, most);
      if (own === undefined || other === undefined) return undefined;
      const beside = others.length > 1 ? `; best peer ${other.contender.label}` : '';
      return { value: own.value / other.value, by: `${client(own.contender)}${beside}` };
    };
  }

  function ownFigure(work, figure) {
    return (figures) => {
      const own = best(figures[work], holdfasts, figure, least);
      return own && { value: own.value, by: client(own.contender) };
    };
  }

  const atLeast = (says, work, others, limit) => ({
    says,
    measure: against(work, others),
    met: (value) => value >= limit,
  });
  const atMost = (says, work, figure, limit, show = factor) => ({
    says,
    measure: ownFigure(work, figure),
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
