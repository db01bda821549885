const unitsMs = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** As Prometheus writes durations: `5m`, `90s`, `1500ms`. */
export function promDuration(ms: number): string {
  const [unit, size] = unitsMs.find(([, sizeMs]) => ms >= sizeMs && ms % sizeMs === 0) ?? ['ms', 1];
  return `${Math.ceil(ms / size)}${unit}`;
}

/** How far back a series is looked for, to tell a new one from one whose target could not be scraped for a while. */
const seenBefore = '1h';

/**
 * What a counter has grown by in a window, also one that was born in it: `increase` sees no step from nothing to one, and the
 * first loss of a process would be the one that nobody hears of, also where the process ends by it.
 */
export function grown(series: string, windowMs: number): string {
  const window = promDuration(windowMs);
  return `(
  (last_over_time(${series}[${window}]) unless present_over_time(${series}[${seenBefore}] offset ${window}))
  or increase(${series}[${window}])
)`;
}

export function quantile(share: number, histogram: string, by: string, windowMs: number): string {
  return `histogram_quantile(${share}, sum by (${by}, le) (rate(${histogram}_bucket[${promDuration(windowMs)}])))`;
}

/**
 * What a quantile is at least: the highest bound of a bucket that more than the rest exceeded. `histogram_quantile` guesses within a
 * bucket, up to its end: what lasts 11 s is given as 30 s there, and would be an alarm for whoever expects 12 s.
 */
export function quantileAtLeast(
  share: number,
  histogram: string,
  by: string,
  windowMs: number,
  bounds: readonly number[],
): string {
  const window = promDuration(windowMs);
  return `max by (${by}) (
  0 * (
    sum by (${by}, le) (rate(${histogram}_bucket[${window}]))
    < on (${by}) group_left ()
    ${share} * sum by (${by}) (rate(${histogram}_count[${window}]))
  )
  + on (le) group_left () (
    ${bounds.flatMap(asSeries).join('\n    or ')}
  )
)`;
}

/** Whole numbers are written as "1" by some clients and as "1.0" by some versions of Prometheus. */
function asSeries(bound: number): readonly string[] {
  const labels = Number.isInteger(bound) ? [String(bound), `${bound}.0`] : [String(bound)];
  return labels.map((le) => `label_replace(vector(${bound}), "le", "${le}", "", "")`);
}
