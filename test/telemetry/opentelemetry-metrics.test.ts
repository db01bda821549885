import { type DataPoint, type Histogram, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { type Instrument, instruments } from '../../src/telemetry/instruments.js';
import { openTelemetryMetrics } from '../../src/telemetry/opentelemetry/index.js';
import { Later } from '../../src/telemetry/opentelemetry/metrics/later.js';
import { until } from '../support/waits.js';
import { Scrapes } from './support/scrape.js';

/** Read when the test says so. */
class Reader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

describe('the metrics on OpenTelemetry', () => {
  const scrapes = new Scrapes();
  let reader: Reader;
  let locks: Holdfast;
  let stop: () => void;

  beforeEach(() => {
    reader = new Reader();
    stop = openTelemetryMetrics({ meterProvider: new MeterProvider({ readers: [reader] }) }).stop;
    locks = new Holdfast(memory(), { ttlMs: 60_000 });
  });
  afterEach(async () => {
    stop();
    await locks.close();
    await reader.shutdown();
  });

  /** As the text of Prometheus names them. */
  async function read(): Promise<ReadonlyMap<string, number>> {
    const { resourceMetrics } = await reader.collect();
    const found = new Map<string, number>();
    for (const { descriptor, dataPoints } of resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)) {
      for (const { attributes, value } of dataPoints as DataPoint<number | Histogram>[]) {
        const labels = Object.entries(attributes).map(([key, text]) => `${key}="${String(text)}"`);
        const name = typeof value === 'number' ? descriptor.name : `${descriptor.name}_count`;
        found.set(
          labels.length === 0 ? name : `${name}{${labels.sort().join(',')}}`,
          typeof value === 'number' ? value : value.count,
        );
      }
    }
    return found;
  }

  it('hands values over when the process waits next, and none that throws takes others with it', async () => {
    const told: number[] = [];
    const later = new Later();
    const histogram = later.histogram((value) => {
      if (value === 3) throw new Error('of the SDK');
      told.push(value);
      // Its own: it comes next.
      if (value === 5) histogram.record(100);
    });
    for (let value = 0; value < 16; value += 1) histogram.record(value);
    expect(told).toEqual([]);
    await new Promise(setImmediate);
    expect(told).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    later.flush();
    expect(told.at(-1)).toBe(100);
    // Where it never waits, there is an end to what is kept.
    told.length = 0;
    for (let value = 1_000; value < 1_256; value += 1) histogram.record(value);
    expect(told.length).toBe(256);
  });

  it('have the names, the labels and the values of those of Prometheus', async () => {
    await locks.request('a', { expectedHoldMs: 5 }, () =>
      until(async () => (await read()).get('lock_overdue{group="all"}') === 1, 'overdue'),
    );
    const lost = await locks.acquire('a');
    await locks.revoke('a', { reason: 'test' });
    await lost.release();
    const held = await locks.acquire('a');
    const [otel, prometheus] = [await read(), await scrapes.all()];
    expect(otel.get('lock_held{group="all"}')).toBe(1);
    expect(otel.get('lock_lost_total{group="all",loss="revoked"}')).toBe(1);
    const same = [...prometheus].filter(([key]) => !/_bucket|_sum|drift/.test(key));
    // A distribution that nothing has come to is not shown there.
    expect([...otel].filter(([key]) => !/drift/.test(key)).sort()).toEqual(
      same.filter(([key, count]) => otel.has(key) || count > 0 || !/_count/.test(key)).sort(),
    );
    await held.release();
  });

  it('have the buckets and the units of the list', async () => {
    await locks.request('a', () => {});
    const { resourceMetrics } = await reader.collect();
    const shown = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
    const latency = shown.find(({ descriptor }) => descriptor.name === 'lock_acquisition_latency_seconds');
    const { buckets = [], unit }: Instrument = instruments.acquisitionLatency;
    expect(latency?.descriptor.unit).toBe(unit);
    expect(latency?.dataPoints[0]?.value).toMatchObject({ buckets: { boundaries: buckets } });
  });

  it('miss none of many turns, whenever somebody looks', async () => {
    for (let turn = 0; turn < 150; turn += 1) await locks.request('a', () => {});
    const first = await read();
    expect(first.get('lock_hold_seconds_count{group="all"}')).toBe(150);
    expect(first.get('store_call_seconds_count{op="acquire",outcome="answered"}')).toBe(150);
    expect(first.get('lock_releases_total{group="all",outcome="released"}')).toBe(150);
    await locks.request('a', () => {});
    stop();
    expect((await read()).get('lock_hold_seconds_count{group="all"}')).toBe(151);
    expect((await read()).get('lock_releases_total{group="all",outcome="released"}')).toBe(151);
  });

  it('are no longer observed after stop()', async () => {
    const held = await locks.acquire('a');
    stop();
    expect((await read()).get('lock_held{group="all"}')).toBe(undefined);
    await held.release();
  });
});
