import { type Alert, labelsOf, whose } from './alert.js';
import { grown, promDuration } from './promql.js';
import type { RuleSettings } from './settings.js';

/** Waits and holds that are longer than they should be. */
export function holdAlerts(settings: RuleSettings): readonly Alert[] {
  return [
    lockAcquisitionSlow(settings),
    ...lockWaitersStuck(settings),
    lockHeldLongerThanExpected(settings),
    lockHeldUntilTtl(settings),
    lockOverdue(settings),
  ];
}

function patient({ patientGroups }: RuleSettings): string {
  return patientGroups === undefined ? '' : `{group!~${JSON.stringify(patientGroups)}}`;
}

function lockAcquisitionSlow(settings: RuleSettings): Alert {
  const { acquisitionP99Ms, windowMs } = settings;
  return {
    name: 'LockAcquisitionSlow',
    severity: 'warning',
    expr: `lock_acquisition_latency_p99${patient(settings)} > ${acquisitionP99Ms / 1_000}`,
    forMs: windowMs,
    summary: `Waits for locks are long: ${whose(settings, 'group')}`,
    description: `One caller in a hundred waits {{ $value | humanizeDuration }} or longer for its turn (more than ${promDuration(acquisitionP99Ms)}).`,
  };
}

/** Who is never granted has no latency: this is what a stuck lock looks like. */
function lockWaitersStuck(settings: RuleSettings): readonly Alert[] {
  const { stuckAfterMs } = settings;
  if (stuckAfterMs === undefined) return [];
  const by = labelsOf(settings);
  const window = promDuration(stuckAfterMs);
  return [
    {
      name: 'LockWaitersStuck',
      severity: 'critical',
      expr: `sum by (${by}) (min_over_time(lock_wait_queue${patient(settings)}[${window}])) > 0
unless sum by (${by}) ${grown('lock_acquisition_latency_seconds_count', stuckAfterMs)} > 0`,
      forMs: stuckAfterMs,
      summary: `Callers wait and none is granted: ${whose(settings, 'group')}`,
      description: `{{ $value | printf "%.0f" }} callers have been waiting for more than ${window}, and nobody of this group was granted anything meanwhile.`,
    },
  ];
}

/** By what it is at least: an estimate within a bucket is no reason to call anybody. */
function lockHeldLongerThanExpected(settings: RuleSettings): Alert {
  const { holdP99Ms, windowMs } = settings;
  const bound = holdP99Ms === undefined ? '' : `\nor lock_hold_p99 > ${holdP99Ms / 1_000}`;
  return {
    name: 'LockHeldLongerThanExpected',
    severity: 'warning',
    expr: `lock_hold_p99_at_least > max by (${labelsOf(settings)}) (lock_expected_hold_seconds)${bound}`,
    forMs: windowMs,
    summary: `Locks are held longer than expected: ${whose(settings, 'group')}`,
    description: `One hold in a hundred lasts longer than {{ $value | humanizeDuration }}, which is more than their callers expect (expectedHoldMs)${holdP99Ms === undefined ? '' : `, or more than ${promDuration(holdP99Ms)}`}.`,
  };
}

/**
 * Either turns end because the TTL is over, or the longest holds last about a TTL although the work is expected to take less than
 * half of it. A hold should end with its work.
 */
function lockHeldUntilTtl(settings: RuleSettings): Alert {
  const { untilTtlPercent, windowMs } = settings;
  const by = labelsOf(settings);
  const window = promDuration(windowMs);
  const ttl = `max by (${by}) (lock_ttl_seconds)`;
  const expected = `max by (${by}) (lock_expected_hold_seconds)`;
  return {
    name: 'LockHeldUntilTtl',
    severity: 'warning',
    expr: `100 * sum by (${by}) (rate(lock_lost_total{loss="expired"}[${window}]))
  / sum by (${by}) (rate(lock_hold_seconds_count[${window}])) > ${untilTtlPercent}
or (
  100 * lock_hold_p99 / ${ttl} > 90 < 110
  and lock_hold_p99_at_least > ${expected}
  and 2 * ${expected} < ${ttl}
)`,
    forMs: windowMs,
    summary: `Locks are held until their TTL is over: ${whose(settings, 'group')}`,
    description: `Holds end with the TTL and not with the work: more than ${untilTtlPercent} % of the turns expire, or the longest holds last about a TTL although less than half of it is expected. Others wait for nothing.`,
  };
}

function lockOverdue(settings: RuleSettings): Alert {
  return {
    name: 'LockOverdue',
    severity: 'warning',
    expr: `sum by (${labelsOf(settings)}) (lock_overdue) > 0`,
    forMs: settings.overdueForMs,
    summary: `A hold is overdue: ${whose(settings, 'group')}`,
    description: `{{ $value | printf "%.0f" }} turns go on for longer than their callers expected (expectedHoldMs). Nothing ends them: others wait.`,
  };
}
