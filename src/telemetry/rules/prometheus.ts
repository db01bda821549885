import { type Alert, pageOf } from './alert.js';
import { featureAlerts } from './feature-alerts.js';
import { holdAlerts } from './hold-alerts.js';
import { leaseAlerts } from './lease-alerts.js';
import { promDuration } from './promql.js';
import { recordings } from './records.js';
import { type RuleSettings, ruleDefaults } from './settings.js';
import { type Yaml, yaml } from './yaml.js';

/** The label that all alerts have, for routes. */
export const component = { component: 'holdfast' } as const;

/** The alerts that these settings ask for. */
export function alerts(settings: RuleSettings): readonly Alert[] {
  const all = [...leaseAlerts(settings), ...holdAlerts(settings), ...featureAlerts(settings)];
  return all
    .filter(({ name }) => !settings.without.includes(name))
    .map((alert) => ({ ...alert, severity: settings.severityOf[alert.name] ?? alert.severity }));
}

/** Names of all alerts, also of those that must be asked for. */
export const alertNames: readonly string[] = alerts({ ...ruleDefaults, stuckAfterMs: 1 }).map(({ name }) => name);

/** A file of rules for Prometheus, as text: recordings and alerts. `promtool check rules` accepts it. */
export function prometheusRules(settings: RuleSettings): string {
  const interval = settings.intervalMs === undefined ? undefined : promDuration(settings.intervalMs);
  const groups = [
    { name: 'holdfast-recordings', interval, rules: recordings(settings).map(({ record, expr }) => ({ record, expr })) },
    { name: 'holdfast-alerts', interval, rules: alerts(settings).map((alert) => ruleOf(alert, settings)) },
  ];
  return `# Made by "holdfast rules prometheus": make it again after an update, with the same options.${yaml({ groups })}`;
}

function ruleOf({ name, severity, expr, forMs, summary, description }: Alert, { runbooks }: RuleSettings): Yaml {
  return {
    alert: name,
    expr,
    for: forMs === 0 ? undefined : promDuration(forMs),
    labels: { severity, ...component },
    annotations: { summary, description, runbook_url: `${runbooks}/${pageOf(name)}.md` },
  };
}
