import { describe, expect, it } from 'vitest';
import { settingsOf } from '../../src/cli/rule-settings.js';
import { alertNames, prometheusRules } from '../../src/telemetry/rules/prometheus.js';
import { pageOf } from '../../src/telemetry/rules/alert.js';
import { type AlertCase, cases } from './rules/cases.js';
import { healthy, type Series, stepSeconds } from './rules/series.js';
import { complaintsOf, Files, promtoolIsMissing } from './rules/tools.js';

const files = new Files();
/** What a case is quiet about begins after this: what Prometheus finds when it starts is news for ten minutes. */
const settledMinutes = 12;
const minutes = Array.from({ length: 39 }, (_, index) => index + 1);

/** The rules that these options write; without other alerts than this one, which would only take time. */
function rulesFor(options: readonly string[] = [], only?: string): string {
  const values: Record<string, string> = {};
  for (let at = 0; at < options.length; at += 2) values[options[at]?.slice(2) ?? ''] = options[at + 1] ?? '';
  if (only !== undefined) values['without'] = alertNames.filter((name) => name !== only).join(',');
  return prometheusRules(settingsOf(values, alertNames));
}

/** Has promtool simulate the series under the rules; its complaints. */
function simulated(rules: string, series: readonly Series[], expectations: object): string {
  const file = files.write('test.json', {
    rule_files: [files.write('rules.yml', rules)],
    evaluation_interval: `${2 * stepSeconds}s`,
    tests: [{ interval: `${stepSeconds}s`, input_series: series, ...expectations }],
  });
  return complaintsOf('promtool', 'test', 'rules', file);
}

/** Nothing fires, at any minute. */
function silence(selector: string, fromMinute: number): object {
  const looks = minutes.filter((minute) => minute >= fromMinute);
  return { promql_expr_test: looks.map((minute) => ({ expr: `ALERTS${selector}`, eval_time: `${minute}m`, exp_samples: [] })) };
}

function expectedOf({ alert, severity = 'warning', labels, summary, description }: AlertCase): object {
  const all = { job: 'api', group: 'payments', ...labels, severity, component: 'holdfast' };
  return {
    exp_labels: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '')),
    exp_annotations: { summary, description, runbook_url: `docs/runbooks/${pageOf(alert)}.md` },
  };
}

describe.skipIf(promtoolIsMissing)('alerts under promtool test rules', () => {
  it('each of them has a case', () => {
    expect([...new Set(cases.map(({ alert }) => alert))].sort()).toEqual([...alertNames].sort());
  });

  it('a healthy service is silent, and nothing is about to fire', () => {
    expect(simulated(rulesFor(['--stuck-after', '5m', '--hold-p99', '1m']), healthy, silence('', 1))).toBe('');
  });

  describe.each(cases.map((one) => [one.alert, one] as const))('%s', (alert, one) => {
    it('fires, and says what is wrong', () => {
      const test = { alert_rule_test: [{ alertname: alert, eval_time: `${one.atMinutes}m`, exp_alerts: [expectedOf(one)] }] };
      expect(simulated(rulesFor(one.options, alert), one.fires, test)).toBe('');
    });

    const quiet = silence(`{alertname="${alert}",alertstate="firing"}`, settledMinutes);
    const near = Object.entries(one.silent);
    it.runIf(near.length > 0).each(near)('is silent: %s', (_, series) => {
      expect(simulated(rulesFor(one.options, alert), series, quiet)).toBe('');
    });
  });
});
