import type { NotTried, Row } from './rows.js';

/** What a drill has found. */
export interface Report {
  readonly ttlMs: number;
  readonly rows: readonly Row[];
  readonly notTried: readonly NotTried[];
  /** Holds and places of the drill that are still there and end with their TTL; undefined where the store did not say. */
  readonly left: number | undefined;
  readonly tookMs: number;
}

/** `broken`: a promise did not hold. `untried`: the store, or the machine, failed where it should have worked. */
export function outcomeOf({ rows, notTried }: Report): 'held' | 'broken' | 'untried' {
  if (rows.some(({ held }) => !held)) return 'broken';
  return rows.length === 0 || notTried.some(({ failed }) => failed) ? 'untried' : 'held';
}

/** Where a promise is written down. */
export function pageOf(row: Row): string {
  return `docs/guarantees.md#${row.promise.anchor}`;
}

/** For programs: every field always there, whole milliseconds. */
export function reportJson(report: Report) {
  const { ttlMs, rows, notTried, left, tookMs } = report;
  return {
    outcome: outcomeOf(report),
    ttlMs,
    tookMs: Math.round(tookMs),
    left: left ?? null,
    rows: rows.map((row) => ({
      fault: row.fault,
      promise: row.promise.id,
      title: row.promise.title,
      page: pageOf(row),
      promised: row.promised,
      seen: row.seen,
      held: row.held,
    })),
    notTried,
  };
}
