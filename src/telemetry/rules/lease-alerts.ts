import { type Alert, labelsOf, whose } from './alert.js';
import { grown, promDuration } from './promql.js';
import type { RuleSettings } from './settings.js';

/** Renewals that fail or come late, and what that ends in. */
export function leaseAlerts(settings: RuleSettings): readonly Alert[] {
  return [leaseDriftHigh(settings), lockRenewalFailures(settings), lockLost(settings), lockReleaseFailures(settings)];
}

/** The highest of a window must be high for twice as long: one bad reading is not enough, two in a row are. */
function leaseDriftHigh(settings: RuleSettings): Alert {
  const { driftPercent, driftWindowMs } = settings;
  return {
    name: 'LeaseDriftHigh',
    severity: 'critical',
    expr: `max by (${labelsOf(settings)}) (max_over_time(lease_drift_percentage[${promDuration(driftWindowMs)}])) > ${driftPercent}`,
    forMs: 2 * driftWindowMs,
    summary: `Leases are renewed late: ${whose(settings, 'group')}`,
    description: `{{ $value | printf "%.0f" }} % of the TTL had gone, beyond the plan, before a renewal came through (more than ${driftPercent} %). At 66 % the lease is lost.`,
  };
}

function lockRenewalFailures(settings: RuleSettings): Alert {
  const { renewalFailuresPerMinute, renewalWindowMs } = settings;
  const failures = grown('stale_lock_renewal_failures_total', renewalWindowMs);
  return {
    name: 'LockRenewalFailures',
    severity: 'critical',
    expr: `sum by (${labelsOf(settings)}) ${failures} * 60 / ${renewalWindowMs / 1_000} > ${renewalFailuresPerMinute}`,
    // The window is the time for which it has been so.
    forMs: 0,
    summary: `Renewals fail: ${whose(settings, 'group')}`,
    description: `{{ $value | printf "%.0f" }} renewals a minute had no clear answer over the last ${promDuration(renewalWindowMs)} (more than ${renewalFailuresPerMinute}). They are sent again until the deadline; if none comes through, the leases are lost.`,
  };
}

/** What somebody did on purpose is no alarm. */
function lockLost(settings: RuleSettings): Alert {
  const losses = grown('lock_lost_total{loss!~"revoked|stolen"}', settings.eventsMs);
  return {
    name: 'LockLost',
    severity: 'warning',
    expr: `sum by (${labelsOf(settings)}, loss) ${losses} > 0`,
    forMs: 0,
    summary: `Leases were lost ({{ $labels.loss }}): ${whose(settings, 'group')}`,
    description: `{{ $value | printf "%.0f" }} turns in the last ${promDuration(settings.eventsMs)} lost their lease before their work was done: {{ $labels.loss }}. Somebody else may hold the name while that work still runs.`,
  };
}

function lockReleaseFailures(settings: RuleSettings): Alert {
  const failures = grown('lock_releases_total{outcome=~"absent|not-owner|unknown"}', settings.eventsMs);
  return {
    name: 'LockReleaseFailures',
    severity: 'warning',
    expr: `sum by (${labelsOf(settings)}, outcome) ${failures} > 0`,
    forMs: 0,
    summary: `Releases fail ({{ $labels.outcome }}): ${whose(settings, 'group')}`,
    description: `{{ $value | printf "%.0f" }} releases in the last ${promDuration(settings.eventsMs)} ended as {{ $labels.outcome }}. After "unknown" the name may stay held until its TTL is over; "absent" and "not-owner" say that the lease was gone before its work was done.`,
  };
}
