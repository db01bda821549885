/** One line of a panel: what is asked, and how it is called there. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  readonly description: string;
  readonly unit: 's' | 'percent' | 'percentunit' | 'short' | 'ops';
  readonly queries: readonly Query[];
  /** A single number instead of a graph: red from here on. */
  readonly redFrom?: number;
}

/** A row of the dashboard: at most four single numbers, or two graphs beside each other. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const every = '$__rate_interval';

/** How the rows ask. */
interface Asking {
  /** Matchers of series without a group. */
  readonly all: string;
  /** And of those that have one. */
  readonly locks: string;
  readonly only: string;
  rate(metric: string, by: string, matchers?: string): string;
  quantile(share: number, histogram: string, by?: string, matchers?: string): string;
}

/** What the dashboard shows. `only`: the matchers of its variables, such as `job=~"$job"`; `group` is one of them where it applies. */
export function rowsOf(only: string): readonly Row[] {
  const locks = `{${only},group=~"$group"}`;
  const all = `{${only}}`;
  const rate = (metric: string, by: string, matchers = locks) => `sum by (${by}) (rate(${metric}${matchers}[${every}]))`;
  const quantile = (share: number, histogram: string, by = 'group', matchers = locks) =>
    `histogram_quantile(${share}, ${rate(`${histogram}_bucket`, `${by}, le`, matchers)})`;
  const asking = { all, locks, only, rate, quantile };
  return [now, waitsAndHolds, leases, storeAndSinks, requestsAndEvents].map((row) => row(asking));
}

function now({ all, locks }: Asking): Row {
  return {
    title: 'Now',
    panels: [
      stat('Held', 'Turns that run.', `sum(lock_held${locks})`),
      stat('Waiting', 'Callers without a turn.', `sum(lock_wait_queue${locks})`),
      stat('Overdue', 'Turns that go on for longer than expected.', `sum(lock_overdue${locks})`, 1),
      stat('Frozen', 'Requests whose outcome nobody knows.', `max(frozen_records${all})`, 1),
    ],
  };
}

function waitsAndHolds({ locks, rate, quantile }: Asking): Row {
  return {
    title: 'Waits and holds',
    panels: [
      graph('Wait for a turn', 'From the request to the turn.', 's', [
        { expr: quantile(0.5, 'lock_acquisition_latency_seconds'), legend: '{{group}} p50' },
        { expr: quantile(0.99, 'lock_acquisition_latency_seconds'), legend: '{{group}} p99' },
      ]),
      graph('Hold', 'The p99 should be near the work, and far below the TTL.', 's', [
        { expr: quantile(0.5, 'lock_hold_seconds'), legend: '{{group}} p50' },
        { expr: quantile(0.99, 'lock_hold_seconds'), legend: '{{group}} p99' },
        { expr: `max by (group) (lock_expected_hold_seconds${locks})`, legend: '{{group}} expected' },
        { expr: `max by (group) (lock_ttl_seconds${locks})`, legend: '{{group}} TTL' },
      ]),
      graph('Callers', 'Who holds and who waits.', 'short', [
        { expr: `sum by (group) (lock_held${locks})`, legend: '{{group}} hold' },
        { expr: `sum by (group) (lock_wait_queue${locks})`, legend: '{{group}} wait' },
      ]),
      graph('Turns', 'How turns end: released, or lost.', 'ops', [
        { expr: rate('lock_releases_total', 'group, outcome'), legend: '{{group}} {{outcome}}' },
        { expr: rate('lock_lost_total', 'group, loss'), legend: '{{group}} lost: {{loss}}' },
      ]),
    ],
  };
}

function leases({ locks, rate }: Asking): Row {
  return {
    title: 'Leases',
    panels: [
      graph(
        'Drift',
        'How much of the TTL had gone, beyond the plan, when a renewal came through. At 66 % a lease is lost.',
        'percent',
        [{ expr: `max by (group, instance) (lease_drift_percentage${locks})`, legend: '{{group}} {{instance}}' }],
      ),
      graph('Renewals', 'Each is planned after a third of the TTL; one that failed is sent again.', 'ops', [
        { expr: rate('lock_renewals_total', 'group, outcome'), legend: '{{group}} {{outcome}}' },
        { expr: rate('stale_lock_renewal_failures_total', 'group, instance'), legend: '{{group}} {{instance}} failures' },
      ]),
    ],
  };
}

function storeAndSinks({ all, only, rate, quantile }: Asking): Row {
  return {
    title: 'Store and sinks',
    panels: [
      graph('Calls to the store, p99', 'By what was asked.', 's', [
        { expr: quantile(0.99, 'store_call_seconds', 'op', all), legend: '{{op}}' },
      ]),
      graph('Calls without a clear answer', 'Failed, or no answer within the deadline.', 'ops', [
        {
          expr: rate('store_call_seconds_count', 'op, outcome', `{${only},outcome!="answered"}`),
          legend: '{{op}} {{outcome}}',
        },
      ]),
      graph('Refused fences', 'Writes of former holders that a sink has stopped.', 'ops', [
        { expr: rate('fence_rejections_total', 'sink', all), legend: '{{sink}}' },
      ]),
    ],
  };
}

function requestsAndEvents({ all, rate }: Asking): Row {
  return {
    title: 'Requests and events',
    panels: [
      graph('Requests', 'Executed, replayed, refused.', 'ops', [
        { expr: rate('deduplication_requests_total', 'operation, outcome', all), legend: '{{operation}} {{outcome}}' },
      ]),
      graph('Replayed share', 'Requests that were answered from their record.', 'percentunit', [
        { expr: `avg by (operation) (deduplication_cache_hit_ratio${all})`, legend: '{{operation}}' },
      ]),
      graph('Outbox lag', 'Age of the oldest event that is not published.', 's', [
        { expr: `max(outbox_lag_seconds${all})`, legend: 'lag' },
      ]),
    ],
  };
}

function stat(title: string, description: string, expr: string, redFrom = Number.POSITIVE_INFINITY): Panel {
  return { title, description, unit: 'short', queries: [{ expr, legend: '' }], redFrom };
}

function graph(title: string, description: string, unit: Panel['unit'], queries: readonly Query[]): Panel {
  return { title, description, unit, queries };
}
