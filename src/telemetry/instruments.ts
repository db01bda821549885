/** One instrument, as every exporter shows it. */
export interface Instrument {
  /** As Prometheus has it: with the unit, and `_total` for counters. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** For OpenTelemetry: UCUM. */
  readonly unit: string;
  /** Histograms only: upper bounds, in seconds. */
  readonly buckets?: readonly number[];
}

/** What a lock is waited for, and held: from a free lock on a near store to a batch job. */
const waitBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const holdBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600];
const callBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

function histogram(name: string, help: string, labels: readonly string[], buckets: readonly number[]): Instrument {
  return { name, type: 'histogram', help, labels, unit: 's', buckets };
}

function counter(name: string, help: string, labels: readonly string[], unit: string): Instrument {
  return { name, type: 'counter', help, labels, unit };
}

function gauge(name: string, help: string, labels: readonly string[], unit: string): Instrument {
  return { name, type: 'gauge', help, labels, unit };
}

/** Everything that is measured: each exporter makes exactly these. */
export const instruments = {
  acquisitionLatency: histogram(
    'lock_acquisition_latency_seconds',
    'From the request to the turn',
    ['group', 'mode'],
    waitBuckets,
  ),
  hold: histogram('lock_hold_seconds', 'Length of a turn, until it was released or lost', ['group'], holdBuckets),
  expectedHold: gauge('lock_expected_hold_seconds', 'The longest expectedHoldMs of the last minutes', ['group'], 's'),
  ttl: gauge('lock_ttl_seconds', 'The longest ttlMs of the last minutes', ['group'], 's'),
  waitQueue: gauge('lock_wait_queue', 'Callers of this process that have no turn yet', ['group'], '{caller}'),
  held: gauge('lock_held', 'Turns that run now in this process', ['group'], '{turn}'),
  renewals: counter('lock_renewals_total', 'Renewals, by how they ended', ['group', 'outcome'], '{renewal}'),
  renewalFailures: counter(
    'stale_lock_renewal_failures_total',
    'Renewals without a clear answer: each brings a lease nearer to being stale',
    ['group'],
    '{renewal}',
  ),
  lost: counter('lock_lost_total', 'Turns that lost their lock while they ran', ['group', 'loss'], '{turn}'),
  releases: counter(
    'lock_releases_total',
    'Turns that ended with their lock, by what the store found',
    ['group', 'outcome'],
    '{turn}',
  ),
  overdue: gauge('lock_overdue', 'Turns that run longer than their expectedHoldMs', ['group'], '{turn}'),
  drift: gauge(
    'lease_drift_percentage',
    'Of the leases held now, the worst: share of the TTL that had gone beyond the plan when the last renewal landed, or has gone by now',
    ['group'],
    '%',
  ),
  storeCall: histogram('store_call_seconds', 'Calls to the store', ['op', 'outcome'], callBuckets),
  fenceRejections: counter(
    'fence_rejections_total',
    'Writes that a sink refused, because it had seen a newer fence',
    ['sink'],
    '{write}',
  ),
  deduplicationRequests: counter(
    'deduplication_requests_total',
    'Requests with an idempotency key, by what became of them at the door',
    ['operation', 'outcome'],
    '{request}',
  ),
  deduplicationHitRatio: gauge(
    'deduplication_cache_hit_ratio',
    'Of the requests of the last minutes, the share whose answer was replayed',
    ['operation'],
    '1',
  ),
  frozenRecords: gauge('frozen_records', 'Records that the last pass of the reconciler left frozen', [], '{record}'),
  outboxLag: gauge('outbox_lag_seconds', 'Age of the oldest event that is still to be published', [], 's'),
} as const satisfies Record<string, Instrument>;
