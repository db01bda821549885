import { absent, born, bursts, but, counter, gauge, healthy, observed, type Series, steps } from './series.js';

const at = 'job="api",instance="a:1"';
const group = `${at},group="payments"`;

export interface AlertCase {
  readonly alert: string;
  /** Options of `holdfast rules prometheus`. */
  readonly options?: readonly string[];
  readonly fires: readonly Series[];
  readonly atMinutes: number;
  /** Beside job, group, severity and component. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly severity?: string;
  readonly summary: string;
  readonly description: string;
  /** Near it, and no reason to call anybody: silent from the twelfth minute on. */
  readonly silent: Readonly<Record<string, readonly Series[]>>;
}

const payments = 'group payments, job api';

/** Longer than `healthy` has it, on the same labels. */
function holdsOf(seconds: number): readonly Series[] {
  return observed('lock_hold_seconds', group, seconds);
}

/** Every alert once: where it fires, what is said then, and what is near it. */
export const cases: readonly AlertCase[] = [
  {
    alert: 'LeaseDriftHigh',
    severity: 'critical',
    fires: but(gauge(`lease_drift_percentage{${group}}`, 24)),
    atMinutes: 3,
    summary: `Leases are renewed late: ${payments}`,
    description:
      '24 % of the TTL had gone, beyond the plan, before a renewal came through (more than 15 %). At 66 % the lease is lost.',
    silent: {
      'at the bound': but(gauge(`lease_drift_percentage{${group}}`, 15)),
      'one late renewal in ten minutes': but(
        bursts(`lease_drift_percentage{${group}}`, 2, { at: 60, value: 60, until: 61 }, { at: 100, value: 60, until: 101 }),
      ),
    },
  },
  {
    alert: 'LockRenewalFailures',
    severity: 'critical',
    fires: but(counter(`stale_lock_renewal_failures_total{${group}}`, 2)),
    atMinutes: 3,
    summary: `Renewals fail: ${payments}`,
    description:
      '8 renewals a minute had no clear answer over the last 2m (more than 5). They are sent again until the deadline; if none comes through, the leases are lost.',
    silent: {
      'four a minute': but(counter(`stale_lock_renewal_failures_total{${group}}`, 1)),
      'ten at once, and no other': but(born(`stale_lock_renewal_failures_total{${group}}`, 100, 10)),
    },
  },
  {
    alert: 'LockLost',
    fires: but(born(`lock_lost_total{${group},loss="forgotten"}`, 38, 1)),
    atMinutes: 10,
    labels: { loss: 'forgotten' },
    summary: `Leases were lost (forgotten): ${payments}`,
    description:
      '1 turns in the last 10m lost their lease before their work was done: forgotten. Somebody else may hold the name while that work still runs.',
    silent: {
      'revoked on purpose': but(counter(`lock_lost_total{${group},loss="revoked"}`, 1)),
      'lost long ago': but(gauge(`lock_lost_total{${group},loss="expired"}`, 7)),
    },
  },
  {
    alert: 'LockLost',
    // The process ended by it, and is gone for minutes.
    fires: but({ series: `lock_lost_total{${group},loss="expired"}`, values: '_x20 1 1 stale' }),
    atMinutes: 10,
    labels: { loss: 'expired' },
    summary: `Leases were lost (expired): ${payments}`,
    description:
      '1 turns in the last 10m lost their lease before their work was done: expired. Somebody else may hold the name while that work still runs.',
    silent: {},
  },
  {
    alert: 'LockReleaseFailures',
    fires: but(born(`lock_releases_total{${group},outcome="not-owner"}`, 38, 2)),
    atMinutes: 10,
    labels: { outcome: 'not-owner' },
    summary: `Releases fail (not-owner): ${payments}`,
    description:
      '2 releases in the last 10m ended as not-owner. After "unknown" the name may stay held until its TTL is over; "absent" and "not-owner" say that the lease was gone before its work was done.',
    silent: { 'handed on within a process': but(counter(`lock_releases_total{${group},outcome="handed-on"}`, 3)) },
  },
  {
    alert: 'LockAcquisitionSlow',
    fires: but(...observed('lock_acquisition_latency_seconds', `${group},mode="exclusive"`, 20)),
    atMinutes: 12,
    summary: `Waits for locks are long: ${payments}`,
    description: 'One caller in a hundred waits 29.8s or longer for its turn (more than 5s).',
    silent: {
      'four seconds': but(...observed('lock_acquisition_latency_seconds', `${group},mode="exclusive"`, 4)),
      'one long wait, and no other': [
        ...healthy,
        ...['5', '30', '300', '+Inf'].map((le) =>
          born(
            `lock_acquisition_latency_seconds_bucket{${at},group="reports",mode="exclusive",le="${le}"}`,
            100,
            le === '5' || le === '30' ? 0 : 1,
          ),
        ),
      ],
    },
  },
  {
    alert: 'LockWaitersStuck',
    options: ['--stuck-after', '10m', '--patient-groups', 'election|cron-.*'],
    severity: 'critical',
    fires: but(gauge(`lock_wait_queue{${at},group="reports"}`, 3)),
    atMinutes: 22,
    labels: { group: 'reports' },
    summary: 'Callers wait and none is granted: group reports, job api',
    description: '3 callers have been waiting for more than 10m, and nobody of this group was granted anything meanwhile.',
    silent: {
      'a queue that moves': but(gauge(`lock_wait_queue{${group}}`, 40)),
      'candidates of an election': but(gauge(`lock_wait_queue{${at},group="election"}`, 3)),
    },
  },
  {
    alert: 'LockHeldLongerThanExpected',
    fires: but(...holdsOf(20), gauge(`lock_ttl_seconds{${group}}`, 60)),
    atMinutes: 12,
    summary: `Locks are held longer than expected: ${payments}`,
    description: 'One hold in a hundred lasts longer than 10s, which is more than their callers expect (expectedHoldMs).',
    silent: {
      'holds of callers that expect nothing': but(...holdsOf(20), absent(`lock_expected_hold_seconds{${group}}`)),
      'as long as expected, at the beginning of a bucket': but(
        ...holdsOf(10.5),
        gauge(`lock_expected_hold_seconds{${group}}`, 11),
        gauge(`lock_ttl_seconds{${group}}`, 60),
      ),
    },
  },
  {
    alert: 'LockHeldUntilTtl',
    fires: but(counter(`lock_lost_total{${group},loss="expired"}`, 0.1)),
    atMinutes: 12,
    summary: `Locks are held until their TTL is over: ${payments}`,
    description:
      'Holds end with the TTL and not with the work: more than 5 % of the turns expire, or the longest holds last about a TTL although less than half of it is expected. Others wait for nothing.',
    silent: {
      'work that takes about a TTL': but(...holdsOf(8), gauge(`lock_expected_hold_seconds{${group}}`, 8)),
      'work that is to take more than half of it': but(
        ...holdsOf(55),
        gauge(`lock_expected_hold_seconds{${group}}`, 29),
        gauge(`lock_ttl_seconds{${group}}`, 55),
      ),
    },
  },
  {
    alert: 'LockHeldUntilTtl',
    fires: but(...holdsOf(9.9), gauge(`lock_expected_hold_seconds{${group}}`, 2)),
    atMinutes: 12,
    summary: `Locks are held until their TTL is over: ${payments}`,
    description:
      'Holds end with the TTL and not with the work: more than 5 % of the turns expire, or the longest holds last about a TTL although less than half of it is expected. Others wait for nothing.',
    silent: {},
  },
  {
    alert: 'LockOverdue',
    fires: but(gauge(`lock_overdue{${group}}`, 2)),
    atMinutes: 3,
    summary: `A hold is overdue: ${payments}`,
    description: '2 turns go on for longer than their callers expected (expectedHoldMs). Nothing ends them: others wait.',
    silent: { 'overdue for half a minute': but(bursts(`lock_overdue{${group}}`, 0, { at: 100, value: 1, until: 102 })) },
  },
  {
    alert: 'StoreCallsFail',
    severity: 'critical',
    fires: but(counter(`store_call_seconds_count{${at},op="renew",outcome="unknown"}`, 3)),
    atMinutes: 8,
    labels: { group: '' },
    summary: 'The store fails: job api',
    description: '50 % of the calls to the store had no clear answer over the last 5m (more than 5 %).',
    silent: {
      'one in a hundred': but(counter(`store_call_seconds_count{${at},op="renew",outcome="failed"}`, 0.03)),
      'a few at once': but(
        bursts(`store_call_seconds_count{${at},op="renew",outcome="failed"}`, 0, { at: 100, value: 4, until: steps }),
      ),
    },
  },
  {
    alert: 'FenceRejections',
    fires: but(born(`fence_rejections_total{${at},sink="s3"}`, 38, 1)),
    atMinutes: 10,
    labels: { sink: 's3', group: '' },
    summary: 'Writes of former holders were refused: sink s3, job api',
    description:
      '1 writes in the last 10m came with a fence that was too old. The sink is safe; find out who still works without a lease.',
    silent: { 'refused long ago': but(gauge(`fence_rejections_total{${at},sink="s3"}`, 4)) },
  },
  {
    alert: 'FrozenRecords',
    severity: 'critical',
    fires: but(gauge(`frozen_records{${at}}`, 4)),
    atMinutes: 8,
    labels: { group: '' },
    summary: 'Requests are frozen: job api',
    description:
      '4 requests have an outcome that nobody knows. They are not executed again, and their callers get no answer, until somebody resolves them.',
    silent: { 'resolved within minutes': but(bursts(`frozen_records{${at}}`, 0, { at: 100, value: 5, until: 115 })) },
  },
  {
    alert: 'OutboxLagging',
    fires: but(gauge(`outbox_lag_seconds{${at}}`, 300)),
    atMinutes: 8,
    labels: { group: '' },
    summary: 'The outbox lags: job api',
    description: 'The oldest event that is not published has waited 5m 0s (more than 1m).',
    silent: { 'a restart of the relay': but(bursts(`outbox_lag_seconds{${at}}`, 1, { at: 100, value: 90, until: 115 })) },
  },
];
