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
const perSecond = (row) => row.pairsPerSecond ?? row.requestsPerSecond;
const client = (contender) => contender.label.replace('Holdfast, ', '');

/** For a target: the pairs (or requests) per second of ours, with the better client, by those of the best of the others. */
export function against(work, holdfasts, others, relate = (own, other) => own / other) {
  return (figures) => {
    const own = best(figures[work], holdfasts, perSecond, most);
    const other = best(figures[work], others, perSecond, most);
    if (own === undefined || other === undefined) return undefined;
    const beside = others.length > 1 ? `; best peer ${other.contender.label}` : '';
    return { value: relate(own.value, other.value), by: `${client(own.contender)}${beside}` };
  };
}

/** For a target: a figure of ours, with the client for which it is smaller. */
export function ownFigure(work, holdfasts, figure) {
  return (figures) => {
    const own = best(figures[work], holdfasts, figure, least);
    return own && { value: own.value, by: client(own.contender) };
  };
}
