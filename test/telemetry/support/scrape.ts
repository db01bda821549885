import { Registry } from 'prom-client';
import { afterEach, beforeEach } from 'vitest';
import { type PrometheusMetrics, type PrometheusOptions, prometheusMetrics } from '../../../src/telemetry/prometheus/index.js';

/** The values of the text that Prometheus scrapes, by the series as the text names it, its labels in alphabetical order. */
export function parsed(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line): [string, number] => {
      const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      return [series(name, labels.match(/\w+="[^"]*"/g) ?? []), Number(value)];
    }),
  );
}

function series(name: string, labels: readonly string[]): string {
  return labels.length === 0 ? name : `${name}{${[...labels].sort().join(',')}}`;
}

/** What this process shows, from the beginning of each test. */
export class Scrapes {
  #metrics: PrometheusMetrics | undefined;
  #register = new Registry();

  constructor(options: PrometheusOptions = {}) {
    beforeEach(() => {
      this.#register = new Registry();
      this.#metrics = prometheusMetrics({ ...options, register: this.#register });
    });
    afterEach(() => this.#metrics?.stop());
  }

  async all(): Promise<ReadonlyMap<string, number>> {
    return parsed(await this.#register.metrics());
  }

  /** Undefined where there is no such series. */
  async value(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const wanted = series(
      name,
      Object.entries(labels).map(([key, value]) => `${key}="${value}"`),
    );
    return (await this.all()).get(wanted);
  }
}
