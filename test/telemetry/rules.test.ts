import { describe, expect, it } from 'vitest';
import { durationFlags, numberFlags } from '../../src/cli/rule-settings.js';
import { instruments } from '../../src/telemetry/instruments.js';
import { pageOf } from '../../src/telemetry/rules/alert.js';
import { alertNames, alerts, prometheusRules } from '../../src/telemetry/rules/prometheus.js';
import { recordings } from '../../src/telemetry/rules/records.js';
import { ruleDefaults } from '../../src/telemetry/rules/settings.js';
import { yaml } from '../../src/telemetry/rules/yaml.js';
import { Scene } from '../cli/support/program.js';
import { exists, fencesOf, read } from '../docs/files.js';
import { amtoolIsMissing, complaintsOf, Files, promtoolIsMissing } from './rules/tools.js';

const scene = new Scene();
const files = new Files();

async function written(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await scene.outcome(['rules', ...args]);
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
}

/** Every option once, away from its default. */
const allOptions = [
  ...['--by', 'job,namespace,group', '--runbooks', 'https://example.com/it/', '--without', 'OutboxLagging', '--interval', '30s'],
  ...['--severity', 'LockLost=critical,LockOverdue=info', '--window', '10m', '--events', '1h', '--acquisition-p99', '900ms'],
  ...['--drift', '12.5', '--drift-window', '90s', '--renewal-failures', '0', '--renewal-window', '5m', '--until-ttl', '1'],
  ...['--hold-p99', '2m', '--overdue-for', '0', '--frozen-for', '0', '--outbox-lag', '10m', '--store-errors', '50'],
  ...['--stuck-after', '1h', '--patient-groups', 'cron-\\d+|"quoted"'],
];

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly targets?: readonly { readonly expr: string }[];
    readonly gridPos: Box;
  }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
}
interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

async function dashboard(...args: readonly string[]): Promise<Dashboard> {
  return JSON.parse(await written('grafana', ...args)) as Dashboard;
}

/** Every expression of a dashboard, with its variables filled in. */
function expressionsOf({ panels }: Dashboard): readonly string[] {
  return panels
    .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    .map((expr) => expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$\w+/g, '.*'));
}

/** Names of metrics in an expression: words that no bracket follows, and that are neither labels nor words of the language. */
function metricsIn(expr: string): readonly string[] {
  const bare = expr
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\b(?:by|on|group_left) \([^)]*\)/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, '');
  const words = bare.match(/[a-z_][a-z0-9_]*(?![a-z0-9_]*\s*\()/g) ?? [];
  return words.filter((word) => !['or', 'and', 'unless', 'offset', 'm', 'h', 's'].includes(word));
}

const recorded = recordings(ruleDefaults).map(({ record }) => record);
const measured = Object.values(instruments).flatMap(({ name, type }) =>
  type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
);

describe('holdfast rules prometheus', () => {
  it.skipIf(promtoolIsMissing).each([
    ['without options', []],
    ['with every option', allOptions],
  ])('promtool accepts the rules %s', async (_, options) => {
    expect(complaintsOf('promtool', 'check', 'rules', files.write('rules.yml', await written('prometheus', ...options)))).toBe(
      '',
    );
  });

  it('does what its options say', async () => {
    const text = await written('prometheus', ...allOptions);
    expect(text).toContain('by (job, namespace, group)');
    expect(text).toContain('runbook_url: "https://example.com/it/lock-lost.md"');
    expect(text).not.toContain('OutboxLagging');
    expect(text).toMatch(/alert: LockLost\n(?:.*\n)+?\s+severity: critical\n/);
    expect(text).toContain('(max_over_time(lease_drift_percentage[90s])) > 12.5');
    expect(text).toContain('lock_acquisition_latency_p99{group!~"cron-\\\\d+|\\"quoted\\""} > 0.9');
    expect(text.match(/interval: 30s/g)).toHaveLength(2);
  });

  it('asks for metrics that there are, and for nothing else', () => {
    const settings = { ...ruleDefaults, stuckAfterMs: 60_000, holdP99Ms: 60_000 };
    const known = new Set([...measured, ...recorded]);
    for (const { expr } of [...alerts(settings), ...recordings(settings)]) {
      expect(metricsIn(expr).length).toBeGreaterThan(0);
      expect(
        metricsIn(expr).filter((name) => !known.has(name)),
        expr,
      ).toEqual([]);
    }
  });

  it.each(Object.keys({ ...durationFlags, ...numberFlags, 'patient-groups': '' }))(
    '--%s stands in the help and on the page',
    async (flag) => {
      expect((await scene.outcome(['rules', '--help'])).stdout).toMatch(new RegExp(`--${flag}\\b`));
      expect(read('docs/alerts.md') + read('docs/cli.md')).toMatch(new RegExp(`--${flag}\\b`));
    },
  );

  it.each([
    [[], 'say for what: holdfast rules prometheus'],
    [['prometeus'], 'did you mean prometheus?'],
    [['prometheus', 'x'], '"x" is one word too many'],
    [['prometheus', '--drift', '15%'], 'write a number from 0 to 100'],
    [['prometheus', '--window', '5'], 'did you mean 5s or 5ms?'],
    [['prometheus', '--acquisition-p99', '1m'], '--acquisition-p99 is 1m: it must be at most 59999ms'],
    [['prometheus', '--without', 'LockLoss'], 'did you mean LockLost?'],
    [['prometheus', '--severity', 'LockLost=page'], 'write ALERT=critical, or ALERT=warning'],
    [['prometheus', '--runbooks', 'docs'], '--runbooks is no web address'],
    [['prometheus', '--by', 'a-b'], '"a-b" is no name of a label'],
    [['prometheus', '--by', ''], '--by names no label'],
    [['prometheus', '--runbooks', 'https://example.com/{{a}}'], '--runbooks is no web address'],
    [['prometheus', '--by', 'job,le'], '"le" is what Prometheus uses itself'],
    [['prometheus', '--patient-groups', '('], 'no regular expression'],
    [['prometheus', '--patient-groups', '(?!cron).*'], 'no lookaround'],
    [['prometheus', '--patient-groups', '(a)\\1'], 'no lookaround'],
    [['alertmanager', '--pagerduty-key', ''], '--pagerduty-key is no path'],
    [['alertmanager', '--pagerduty-key', 'a\u007f'], '--pagerduty-key is no path'],
    [['grafana', '--drift', '15'], 'unknown option --drift'],
  ])('%j is refused with a sentence', async (args, sentence) => {
    const { status, stdout, stderr } = await scene.outcome(['rules', ...args]);
    expect(stderr).toContain(sentence);
    expect([status, stdout]).toEqual([64, '']);
  });
});

describe('holdfast rules alertmanager', () => {
  it.skipIf(amtoolIsMissing).each([
    ['without options', []],
    ['with every option', ['--by', 'job,namespace', '--pagerduty-key', 'keys/pager "duty"']],
  ])('amtool accepts the routes %s', async (_, options) => {
    const file = files.write('alertmanager.yml', await written('alertmanager', ...options));
    expect(complaintsOf('amtool', 'check-config', file)).toBe('');
  });

  it.skipIf(amtoolIsMissing).each([
    ['critical', 'holdfast-pagerduty'],
    ['warning', 'holdfast-team'],
  ])('a %s alert goes to %s', async (severity, receiver) => {
    const file = files.write('alertmanager.yml', await written('alertmanager'));
    const labels = [`severity=${severity}`, 'component=holdfast', 'alertname=LockLost'];
    const verified = complaintsOf(
      'amtool',
      'config',
      'routes',
      'test',
      `--config.file=${file}`,
      `--verify.receivers=${receiver}`,
      ...labels,
    );
    expect(verified).toBe('');
  });

  it('holds back alerts that exist', async () => {
    const [, names = ''] = /alertname=~"([^"]+)"/.exec(await written('alertmanager')) ?? [];
    expect(alertNames).toEqual(expect.arrayContaining(names.split('|')));
  });
});

describe('holdfast rules grafana', () => {
  it.skipIf(promtoolIsMissing)('promtool accepts every expression, and each asks for metrics that there are', async () => {
    const expressions = expressionsOf(await dashboard('--by', 'job,namespace'));
    expect(expressions.length).toBeGreaterThan(20);
    const rules = expressions.map((expr, index) => ({ record: `panel_${index}`, expr }));
    expect(complaintsOf('promtool', 'check', 'rules', files.write('panels.json', { groups: [{ name: 'panels', rules }] }))).toBe(
      '',
    );
    for (const expr of expressions)
      expect(
        metricsIn(expr).filter((name) => !measured.includes(name)),
        expr,
      ).toEqual([]);
  });

  it('shows everything that is measured', async () => {
    const shown = new Set(expressionsOf(await dashboard()).flatMap(metricsIn));
    const missing = Object.values(instruments).filter(({ name }) => !shown.has(name) && !shown.has(`${name}_bucket`));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('has panels that lie beside each other, and variables that are used', async () => {
    const { panels, templating } = await dashboard('--by', 'job,namespace');
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(templating.list.map(({ name }) => name)).toEqual(['datasource', 'job', 'namespace', 'group']);
    expect(JSON.stringify(panels)).toContain('namespace=~\\"$namespace\\",group=~\\"$group\\"');
  });
});

describe('YAML', () => {
  it.skipIf(promtoolIsMissing)('texts of all kinds arrive as they are', () => {
    // promtool says what it has read.
    const texts = [
      'plain words',
      'true',
      'No',
      '12',
      '1e3',
      '5m',
      ' spaces ',
      '',
      "it's",
      'a "b" c',
      'a: b # c',
      '- x',
      'é\u2028\t',
      '{ x }',
      '~',
    ];
    const rules = texts.map((text, index) => ({ alert: `a${index}`, expr: 'vector(1)', annotations: { text } }));
    const test = {
      rule_files: [files.write('texts.yml', yaml({ groups: [{ name: 'texts', rules }] }))],
      tests: [
        {
          interval: '1m',
          alert_rule_test: texts.map((text, index) => ({
            eval_time: '1m',
            alertname: `a${index}`,
            exp_alerts: [{ exp_annotations: { text } }],
          })),
        },
      ],
    };
    expect(complaintsOf('promtool', 'test', 'rules', files.write('texts.test.json', test))).toBe('');
  });

  it('texts of many lines are blocks', () => {
    expect(yaml({ a: [{ expr: 'x\n  > y' }], b: [], c: {} })).toBe('\na:\n  - expr: |-\n      x\n        > y\nb: []\nc: {}\n');
  });
});

describe('runbooks', () => {
  const sections = ['What it means', 'First commands', 'Causes', 'Mends', 'How to verify'];

  it.each(alertNames)('%s has its page, with all that is needed at night', (alert) => {
    const page = `docs/runbooks/${pageOf(alert)}.md`;
    expect(exists(page), `write ${page}`).toBe(true);
    const headings = [...read(page).matchAll(/^## (.+)$/gm)].map((match) => match[1]);
    expect(headings).toEqual(sections);
    expect(read(page), 'name the alert').toContain(`\`${alert}\``);
    expect(
      fencesOf(page).some(({ language }) => language === 'sh'),
      'give commands',
    ).toBe(true);
    expect(read('docs/runbooks/README.md')).toContain(`(${pageOf(alert)}.md)`);
    expect(read('docs/alerts.md'), 'docs/alerts.md lists all alerts').toContain(`[\`${alert}\`](runbooks/${pageOf(alert)}.md)`);
  });

  it('rules link to pages', () => {
    const links = [...prometheusRules(ruleDefaults).matchAll(/runbook_url: (\S+)/g)].map((match) => match[1] ?? '');
    expect(links.length).toBe(alerts(ruleDefaults).length);
    for (const link of links) expect(exists(link), link).toBe(true);
  });
});
