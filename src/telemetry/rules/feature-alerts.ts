import { type Alert, whose } from './alert.js';
import { grown, promDuration } from './promql.js';
import type { RuleSettings } from './settings.js';

/** The store, the sinks, idempotency and the outbox. */
export function featureAlerts(settings: RuleSettings): readonly Alert[] {
  return [storeCallsFail(settings), fenceRejections(settings), frozenRecords(settings), outboxLagging(settings)];
}

/** Of all calls: few are of a rare kind, and one that fails would be half of them. The short window lets go of what is over. */
function storeCallsFail(settings: RuleSettings): Alert {
  const { storeErrorsPercent, windowMs } = settings;
  const shortMs = windowMs / 5;
  const by = settings.by.join(', ');
  const share = (overMs: number) => {
    const calls = (matcher: string) => `sum by (${by}) (rate(store_call_seconds_count${matcher}[${promDuration(overMs)}]))`;
    return `100 * ${calls('{outcome!="answered"}')} / ${calls('')} > ${storeErrorsPercent}`;
  };
  return {
    name: 'StoreCallsFail',
    severity: 'critical',
    expr: `${share(windowMs)}\nand ${share(shortMs)}`,
    forMs: shortMs,
    summary: `The store fails: ${whose(settings)}`,
    description: `{{ $value | printf "%.0f" }} % of the calls to the store had no clear answer over the last ${promDuration(windowMs)} (more than ${storeErrorsPercent} %).`,
  };
}

function fenceRejections(settings: RuleSettings): Alert {
  const by = [...settings.by, 'sink'].join(', ');
  return {
    name: 'FenceRejections',
    severity: 'warning',
    expr: `sum by (${by}) ${grown('fence_rejections_total', settings.eventsMs)} > 0`,
    forMs: 0,
    summary: `Writes of former holders were refused: ${whose(settings, 'sink')}`,
    description: `{{ $value | printf "%.0f" }} writes in the last ${promDuration(settings.eventsMs)} came with a fence that was too old. The sink is safe; find out who still works without a lease.`,
  };
}

function frozenRecords(settings: RuleSettings): Alert {
  const by = settings.by.join(', ');
  return {
    name: 'FrozenRecords',
    severity: 'critical',
    expr: `max by (${by}) (frozen_records) > 0`,
    forMs: settings.frozenForMs,
    summary: `Requests are frozen: ${whose(settings)}`,
    description:
      '{{ $value | printf "%.0f" }} requests have an outcome that nobody knows. They are not executed again, and their callers get no answer, until somebody resolves them.',
  };
}

function outboxLagging(settings: RuleSettings): Alert {
  const { outboxLagMs, windowMs } = settings;
  const by = settings.by.join(', ');
  return {
    name: 'OutboxLagging',
    severity: 'warning',
    expr: `max by (${by}) (outbox_lag_seconds) > ${outboxLagMs / 1_000}`,
    forMs: windowMs,
    summary: `The outbox lags: ${whose(settings)}`,
    description: `The oldest event that is not published has waited {{ $value | humanizeDuration }} (more than ${promDuration(outboxLagMs)}).`,
  };
}
