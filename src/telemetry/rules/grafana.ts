import { type Panel, type Row, rowsOf } from './panels.js';
import type { RuleSettings } from './settings.js';

const source = { type: 'prometheus', uid: '$datasource' } as const;
const columns = 24;

/**
 * A dashboard for Grafana 9 and later, as text: import it, and choose the data source. It asks for the metrics themselves, so
 * that it works without the rules.
 */
export function grafanaDashboard({ by }: Pick<RuleSettings, 'by'>): string {
  const only = by.map((label) => `${label}=~"$${label}"`).join(',');
  const dashboard = {
    uid: 'holdfast',
    title: 'Holdfast',
    tags: ['holdfast'],
    schemaVersion: 37,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: { list: variables(by) },
    panels: placed(rowsOf(only)),
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

/** Each label is chosen among those that the ones before leave. */
function variables(by: readonly string[]): readonly object[] {
  const chosen: string[] = [];
  const labels = [...by, 'group'].map((name) => {
    const matchers = chosen.join(',');
    chosen.push(`${name}=~"$${name}"`);
    const query = `label_values(lock_held${matchers === '' ? '' : `{${matchers}}`}, ${name})`;
    return { name, label: name, type: 'query', datasource: source, query, refresh: 2, sort: 1, ...everything };
  });
  return [{ name: 'datasource', label: 'data source', type: 'datasource', query: 'prometheus' }, ...labels];
}

const everything = { multi: true, includeAll: true, allValue: '.*', current: { text: ['All'], value: ['$__all'] } };

/** Rows one below the other: numbers four in a row, graphs two. */
function placed(rows: readonly Row[]): readonly object[] {
  const panels: object[] = [];
  let y = 0;
  const add = (panel: object, x: number, w: number, h: number) =>
    panels.push({ id: panels.length + 1, ...panel, gridPos: { x, y, w, h } });
  for (const { title, panels: own } of rows) {
    add({ type: 'row', title, collapsed: false, panels: [] }, 0, columns, 1);
    y += 1;
    const [width, height] = own.every(isNumber) ? [columns / 4, 4] : [columns / 2, 8];
    for (const [index, panel] of own.entries()) {
      const x = (index * width) % columns;
      if (x === 0 && index > 0) y += height;
      add(shown(panel), x, width, height);
    }
    y += height;
  }
  return panels;
}

function isNumber({ redFrom }: Panel): boolean {
  return redFrom !== undefined;
}

function shown(panel: Panel): object {
  const { title, description, unit, queries, redFrom } = panel;
  const steps = [{ color: 'green', value: null }, ...(Number.isFinite(redFrom) ? [{ color: 'red', value: redFrom }] : [])];
  return {
    type: isNumber(panel) ? 'stat' : 'timeseries',
    title,
    description,
    datasource: source,
    fieldConfig: { defaults: { unit, min: 0, thresholds: { mode: 'absolute', steps } }, overrides: [] },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: source,
      expr,
      legendFormat: legend,
    })),
  };
}
