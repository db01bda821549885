/** `critical` wakes somebody up, `warning` waits for the morning, `info` is there to be looked at. */
export const severities = ['critical', 'warning', 'info'] as const;
export type Severity = (typeof severities)[number];

/** What decides when an alert fires. Durations in milliseconds; shares in percent. */
export interface RuleSettings {
  /** Labels that keep services apart, besides `group`. */
  readonly by: readonly string[];
  /** Where the pages of docs/runbooks lie: what `runbook_url` begins with, without a slash at its end. */
  readonly runbooks: string;
  /** How often the rules are evaluated; undefined: as Prometheus is configured. */
  readonly intervalMs: number | undefined;
  /** Over which quantiles and shares are taken, and how long they must be bad: at least four scrapes. */
  readonly windowMs: number;
  /** How long one event (a loss, a refused fence, a failed release) is shown. */
  readonly eventsMs: number;
  readonly acquisitionP99Ms: number;
  readonly driftPercent: number;
  /** A single high reading within it does not count. */
  readonly driftWindowMs: number;
  readonly renewalFailuresPerMinute: number;
  readonly renewalWindowMs: number;
  /** A bound for holds whose callers expect nothing; undefined: none. */
  readonly holdP99Ms: number | undefined;
  /** Share of turns that may end because the TTL was over. */
  readonly untilTtlPercent: number;
  readonly overdueForMs: number;
  readonly frozenForMs: number;
  readonly outboxLagMs: number;
  readonly storeErrorsPercent: number;
  /** Callers wait for so long, and none is granted; undefined: no alert, since candidates of an election wait for days. */
  readonly stuckAfterMs: number | undefined;
  /** A regular expression: groups whose callers are meant to wait for long. */
  readonly patientGroups: string | undefined;
  readonly severityOf: Readonly<Record<string, Severity>>;
  readonly without: readonly string[];
}

const minuteMs = 60_000;

export const ruleDefaults: RuleSettings = {
  by: ['job'],
  runbooks: 'docs/runbooks',
  intervalMs: undefined,
  windowMs: 5 * minuteMs,
  eventsMs: 10 * minuteMs,
  acquisitionP99Ms: 5_000,
  driftPercent: 15,
  driftWindowMs: minuteMs,
  renewalFailuresPerMinute: 5,
  renewalWindowMs: 2 * minuteMs,
  holdP99Ms: undefined,
  untilTtlPercent: 5,
  overdueForMs: minuteMs,
  frozenForMs: 5 * minuteMs,
  outboxLagMs: minuteMs,
  storeErrorsPercent: 5,
  stuckAfterMs: undefined,
  patientGroups: undefined,
  severityOf: {},
  without: [],
};
