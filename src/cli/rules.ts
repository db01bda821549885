import { nearest } from '../core/nearest.js';
import { alertmanagerRoutes, routeDefaults } from '../telemetry/rules/alertmanager.js';
import { grafanaDashboard } from '../telemetry/rules/grafana.js';
import { alertNames, prometheusRules } from '../telemetry/rules/prometheus.js';
import { ruleDefaults } from '../telemetry/rules/settings.js';
import { type Args, type OptionSpec, parse } from './args.js';
import { exit, usage } from './exit.js';
import { print } from './say.js';
import { durationFlags, isPrintable, listed, numberFlags, settingsOf } from './rule-settings.js';

const names: Readonly<Record<string, OptionSpec>> = {
  by: { value: 'LABEL,…' },
  runbooks: { value: 'URL' },
  'patient-groups': { value: 'REGEX' },
  severity: { value: 'ALERT=critical,…' },
  without: { value: 'ALERT,…' },
};

type Write = (argv: readonly string[]) => string;

const kinds: Readonly<Record<string, Write>> = {
  prometheus: (argv) => prometheusRules(settingsOf(read(argv, { ...names, ...durationFlags, ...numberFlags }), alertNames)),
  alertmanager(argv) {
    const values = read(argv, { by: { value: 'LABEL,…' }, 'pagerduty-key': { value: 'FILE' } });
    const pagerdutyKeyFile = values['pagerduty-key'] ?? routeDefaults.pagerdutyKeyFile;
    if (pagerdutyKeyFile.trim() === '' || !isPrintable(pagerdutyKeyFile))
      throw usage('--pagerduty-key is no path: give the file that Alertmanager reads the key from');
    return alertmanagerRoutes({ pagerdutyKeyFile }, { by: listed('--by', values['by']) ?? ruleDefaults.by });
  },
  grafana(argv) {
    const values = read(argv, { by: { value: 'LABEL,…' } });
    return grafanaDashboard({ by: listed('--by', values['by']) ?? ruleDefaults.by });
  },
};

/** `holdfast rules prometheus|alertmanager|grafana`: files for a monitoring that is there already, on standard output. */
export async function rules(argv: readonly string[]): Promise<number> {
  const [kind, ...rest] = argv;
  const known = Object.keys(kinds).join(', ');
  if (kind === undefined) throw usage(`say for what: holdfast rules prometheus; there is ${known}`);
  const write = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (write === undefined) {
    const guess = nearest(kind, Object.keys(kinds));
    throw usage(`no rules for "${kind}": ${guess === undefined ? `there is ${known}` : `did you mean ${guess}?`}`);
  }
  print(write(rest));
  return exit.ok;
}

function read(argv: readonly string[], specs: Readonly<Record<string, OptionSpec>>): Args<string>['values'] {
  const { values, positionals } = parse(argv, specs);
  const [excess] = positionals;
  if (excess !== undefined) throw usage(`"${excess}" is one word too many: see holdfast rules --help`);
  return values;
}
