import { nearest } from '../core/nearest.js';
import { limits } from '../core/limits.js';
import { type Instrument, instruments } from '../telemetry/instruments.js';
import { type RuleSettings, ruleDefaults, severities, type Severity } from '../telemetry/rules/settings.js';
import type { OptionSpec } from './args.js';
import { parseDuration } from './duration.js';
import { usage } from './exit.js';

type Settings = { -readonly [K in keyof RuleSettings]: RuleSettings[K] };
type Values = Readonly<Record<string, string | undefined>>;

interface Flag<Kind> extends OptionSpec {
  readonly value: string;
  readonly key: { [K in keyof RuleSettings]-?: Kind extends RuleSettings[K] ? K : never }[keyof RuleSettings];
  readonly min: number;
  readonly max: number;
}

function ms(key: Flag<number>['key'], value: string, min = 1, max: number = limits.durationMsMax): Flag<number> {
  return { key, value, min, max };
}

/** A quantile is never above the highest bound of the buckets: an alert beyond it would never fire. */
function quantileMs(key: Flag<number>['key'], value: string, { buckets = [] }: Instrument): Flag<number> {
  return ms(key, value, 1, Math.max(...buckets) * 1_000 - 1);
}

export const durationFlags: Readonly<Record<string, Flag<number>>> = {
  interval: ms('intervalMs', '30s'),
  window: ms('windowMs', '5m'),
  events: ms('eventsMs', '10m'),
  'acquisition-p99': quantileMs('acquisitionP99Ms', '5s', instruments.acquisitionLatency),
  'hold-p99': quantileMs('holdP99Ms', '1m', instruments.hold),
  'drift-window': ms('driftWindowMs', '1m'),
  'renewal-window': ms('renewalWindowMs', '2m'),
  'overdue-for': ms('overdueForMs', '1m', 0),
  'frozen-for': ms('frozenForMs', '5m', 0),
  'outbox-lag': ms('outboxLagMs', '1m'),
  'stuck-after': ms('stuckAfterMs', '10m'),
};

export const numberFlags: Readonly<Record<string, Flag<number>>> = {
  drift: { key: 'driftPercent', value: '15', min: 0, max: 100 },
  'renewal-failures': { key: 'renewalFailuresPerMinute', value: '5', min: 0, max: 1e9 },
  'until-ttl': { key: 'untilTtlPercent', value: '5', min: 0, max: 100 },
  'store-errors': { key: 'storeErrorsPercent', value: '5', min: 0, max: 100 },
};

/** What the options say, and the defaults for the rest. @throws CliError naming the option */
export function settingsOf(values: Values, alertNames: readonly string[]): RuleSettings {
  const settings: Settings = { ...ruleDefaults };
  for (const [name, { key, min, max }] of Object.entries(durationFlags)) {
    const text = values[name];
    if (text !== undefined) Object.assign(settings, { [key]: parseDuration(`--${name}`, text, { minMs: min, maxMs: max }) });
  }
  for (const [name, { key, min, max }] of Object.entries(numberFlags)) {
    const text = values[name];
    if (text !== undefined) Object.assign(settings, { [key]: number(`--${name}`, text, min, max) });
  }
  settings.by = listed('--by', values['by']) ?? settings.by;
  settings.runbooks = address(values['runbooks']) ?? settings.runbooks;
  settings.patientGroups = pattern(values['patient-groups']);
  settings.severityOf = severityOf(values['severity'], alertNames);
  settings.without = words(values['without']).map((name) => alertName('--without', name, alertNames));
  return settings;
}

/** Labels, in their order, each once. `group` is there in any case. */
export function listed(option: string, text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const labels = [...new Set(words(text))].filter((label) => label !== 'group');
  const wrong = labels.find((label) => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label));
  if (wrong !== undefined) throw usage(`${option}: "${wrong}" is no name of a label: write it like ${option} job,namespace`);
  const taken = labels.find((label) => ['le', '__name__', 'alertname'].includes(label));
  if (taken !== undefined)
    throw usage(`${option}: "${taken}" is what Prometheus uses itself: name labels of your targets, like job`);
  if (labels.length === 0) throw usage(`${option} names no label: write it like ${option} job`);
  return labels;
}

function words(text = ''): readonly string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

function number(option: string, text: string, min: number, max: number): number {
  const found = /^\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (found >= min && found <= max) return found;
  throw usage(`${option} is "${text}": write a number from ${min} to ${max}, without a unit`);
}

function address(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  // Prometheus takes "{{" for the beginning of a template.
  if (!/^https?:\/\/[^\s]+$/.test(text) || text.includes('{{') || !isPrintable(text))
    throw usage('--runbooks is no web address: write https://… of the folder that has the pages');
  return text.replace(/\/+$/, '');
}

/** As Prometheus reads it (RE2): it looks neither around nor back. */
function pattern(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const unescaped = text.replace(/\\[^1-9k]/g, '');
  try {
    new RegExp(text);
    if (!/\(\?<?[=!]|\\/.test(unescaped) && isPrintable(text)) return text;
  } catch {
    // Said below.
  }
  throw usage(
    `--patient-groups is ${JSON.stringify(text)}, which is no regular expression of Prometheus (no lookaround, no \\1): write it like 'election|cron-.*'`,
  );
}

/** No character that has no place in YAML, or another meaning there. */
export function isPrintable(text: string): boolean {
  return !/[\p{Cc}\p{Cs}\u2028\u2029\ufeff]/u.test(text);
}

function severityOf(text: string | undefined, alertNames: readonly string[]): RuleSettings['severityOf'] {
  const pairs = words(text).map((word) => {
    const [name = '', severity = ''] = word.split('=');
    if (!severities.includes(severity as Severity))
      throw usage(`--severity ${word}: write ALERT=${severities.join(', or ALERT=')}`);
    return [alertName('--severity', name, alertNames), severity as Severity];
  });
  return Object.fromEntries(pairs);
}

function alertName(option: string, name: string, known: readonly string[]): string {
  if (known.includes(name)) return name;
  const guess = nearest(name, known);
  throw usage(
    `${option}: there is no alert "${name}": ${guess === undefined ? `there is ${known.join(', ')}` : `did you mean ${guess}?`}`,
  );
}
