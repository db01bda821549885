import { component } from './prometheus.js';
import type { RuleSettings } from './settings.js';
import { type Yaml, yaml } from './yaml.js';

export interface RouteSettings {
  /** The file with the integration key of PagerDuty, where Alertmanager reads it. */
  readonly pagerdutyKeyFile: string;
}

export const routeDefaults: RouteSettings = { pagerdutyKeyFile: '/etc/alertmanager/pagerduty.key' };

const head = `# An example, made by "holdfast rules alertmanager": take over the routes, the receiver and the inhibitions.
# "critical" pages somebody through PagerDuty. The receiver "holdfast-team" gets the rest: give it what your team reads.`;

/** What else an unreachable store makes fire. Losses are not among it: each is news of its own. */
const consequences = ['LockRenewalFailures', 'LeaseDriftHigh', 'LockAcquisitionSlow', 'LockWaitersStuck', 'LockReleaseFailures'];

/** An example of a configuration for Alertmanager, as text. `amtool check-config` accepts it. */
export function alertmanagerRoutes({ pagerdutyKeyFile }: RouteSettings, { by }: Pick<RuleSettings, 'by'>): string {
  const ours = Object.entries(component).map(([label, value]) => `${label}="${value}"`);
  const routes: Yaml = [
    {
      matchers: [...ours, 'severity="critical"'],
      receiver: 'holdfast-pagerduty',
      group_by: ['alertname', ...by],
      group_wait: '10s',
      repeat_interval: '4h',
    },
    { matchers: ours, receiver: 'holdfast-team', group_by: ['alertname', ...by], repeat_interval: '1d' },
  ];
  return `${head}${yaml({
    route: { receiver: 'holdfast-team', routes },
    receivers: [{ name: 'holdfast-pagerduty', pagerduty_configs: [pagerduty(pagerdutyKeyFile)] }, { name: 'holdfast-team' }],
    inhibit_rules: [
      {
        source_matchers: [...ours, 'alertname="StoreCallsFail"'],
        target_matchers: [...ours, `alertname=~"${consequences.join('|')}"`],
        equal: by,
      },
    ],
  })}`;
}

function pagerduty(routing_key_file: string): Yaml {
  return {
    routing_key_file,
    severity: '{{ .CommonLabels.severity }}',
    description: '{{ with index .Alerts 0 }}{{ .Annotations.summary }}{{ end }}',
    details: {
      firing: '{{ range .Alerts.Firing }}{{ .Annotations.summary }}: {{ .Annotations.description }} {{ end }}',
      runbook: '{{ .CommonAnnotations.runbook_url }}',
    },
    links: [{ href: '{{ .CommonAnnotations.runbook_url }}', text: 'Runbook' }],
  };
}
