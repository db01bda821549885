import { type Instrument, instruments } from '../../../src/telemetry/instruments.js';

/** A series for promtool's unit tests: its values at every step, in promtool's own notation (`0+1x40`). */
export interface Series {
  readonly series: string;
  readonly values: string;
}

/** One step of the simulated time. */
export const stepSeconds = 15;
/** The whole of it: 40 minutes. */
export const steps = 160;

const histograms: readonly Instrument[] = Object.values(instruments);

/** Not there at all. */
export function absent(series: string): Series {
  return { series, values: `_x${steps}` };
}

export function gauge(series: string, value: number): Series {
  return { series, values: `${value}x${steps}` };
}

/** Grows by so much with every step, from the beginning. */
export function counter(series: string, eachStep: number): Series {
  return { series, values: `0+${eachStep}x${steps}` };
}

/** Stays as it is but for some steps. */
export function bursts(
  series: string,
  normal: number,
  ...changes: readonly { at: number; value: number; until: number }[]
): Series {
  const values = Array.from({ length: steps }, (_, step) => {
    const change = changes.find(({ at, until }) => step >= at && step < until);
    return change === undefined ? normal : change.value;
  });
  return { series, values: values.join(' ') };
}

/** Not there until a step, then this value for ever: a counter that is born with its first event. */
export function born(series: string, atStep: number, value: number): Series {
  return { series, values: `_x${atStep} ${value}x${steps - atStep}` };
}

/** A histogram into which so many observations of one value go with every step. */
export function observed(name: string, labels: string, seconds: number, eachStep = 1): readonly Series[] {
  const { buckets: bounds = [] } = histograms.find((instrument) => instrument.name === name) ?? {};
  const buckets = [...bounds, Number.POSITIVE_INFINITY].map((bound) =>
    counter(
      `${name}_bucket{${labels},le="${bound === Number.POSITIVE_INFINITY ? '+Inf' : bound}"}`,
      seconds <= bound ? eachStep : 0,
    ),
  );
  return [...buckets, counter(`${name}_count{${labels}}`, eachStep), counter(`${name}_sum{${labels}}`, seconds * eachStep)];
}

const at = 'job="api",instance="a:1"';
const group = `${at},group="payments"`;

/** A service in which all is well: it waits a little, holds for two seconds, renews, and everything is released. */
export const healthy: readonly Series[] = [
  ...observed('lock_acquisition_latency_seconds', `${group},mode="exclusive"`, 0.3),
  ...observed('lock_hold_seconds', group, 2),
  gauge(`lock_expected_hold_seconds{${group}}`, 5),
  gauge(`lock_ttl_seconds{${group}}`, 10),
  gauge(`lock_wait_queue{${group}}`, 2),
  gauge(`lock_held{${group}}`, 1),
  counter(`lock_renewals_total{${group},outcome="renewed"}`, 5),
  counter(`lock_renewals_total{${group},outcome="failed"}`, 0),
  counter(`stale_lock_renewal_failures_total{${group}}`, 0),
  counter(`lock_lost_total{${group},loss="expired"}`, 0),
  counter(`lock_releases_total{${group},outcome="released"}`, 1),
  counter(`lock_releases_total{${group},outcome="unknown"}`, 0),
  gauge(`lock_overdue{${group}}`, 0),
  gauge(`lease_drift_percentage{${group}}`, 2),
  ...observed('store_call_seconds', `${at},op="acquire",outcome="answered"`, 0.05, 3),
  counter(`fence_rejections_total{${at},sink="postgres"}`, 0),
  counter(`deduplication_requests_total{${at},operation="charge",outcome="executed"}`, 1),
  gauge(`deduplication_cache_hit_ratio{${at},operation="charge"}`, 0.2),
  gauge(`frozen_records{${at}}`, 0),
  gauge(`outbox_lag_seconds{${at}}`, 1),
];

/** The healthy service with some series in the place of its own of the same name and labels, or beside them. */
export function but(...changed: readonly Series[]): readonly Series[] {
  const names = new Set(changed.map(({ series }) => series));
  return [...healthy.filter(({ series }) => !names.has(series)), ...changed];
}
