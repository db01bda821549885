import { instruments } from '../instruments.js';
import { labelsOf } from './alert.js';
import { quantile, quantileAtLeast } from './promql.js';
import type { RuleSettings } from './settings.js';

export interface Recording {
  readonly record: string;
  readonly expr: string;
}

/** What alerts and people look at often, computed once. Seconds. */
export function recordings(settings: RuleSettings): readonly Recording[] {
  const by = labelsOf(settings);
  const of = (share: number, histogram: string, labels = by) => quantile(share, histogram, labels, settings.windowMs);
  return [
    { record: 'lock_acquisition_latency_p50', expr: of(0.5, 'lock_acquisition_latency_seconds') },
    { record: 'lock_acquisition_latency_p99', expr: of(0.99, 'lock_acquisition_latency_seconds') },
    { record: 'lock_hold_p50', expr: of(0.5, 'lock_hold_seconds') },
    { record: 'lock_hold_p99', expr: of(0.99, 'lock_hold_seconds') },
    {
      record: 'lock_hold_p99_at_least',
      expr: quantileAtLeast(0.99, 'lock_hold_seconds', by, settings.windowMs, instruments.hold.buckets ?? []),
    },
    { record: 'store_call_p99', expr: of(0.99, 'store_call_seconds', [...settings.by, 'op'].join(', ')) },
  ];
}
