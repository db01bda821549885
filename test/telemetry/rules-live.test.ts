import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingsOf } from '../../src/cli/rule-settings.js';
import { alertNames, prometheusRules } from '../../src/telemetry/rules/prometheus.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { Processes } from '../support/processes.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { PrometheusServer, prometheusIsMissing } from './rules/prometheus-server.js';

const ttlMs = 6_000;
const everyMs = 250;

/** The rules as they are written for everyone, on windows that a test can wait for. */
const rules = () =>
  prometheusRules(
    settingsOf(
      { window: '10s', events: '20s', 'renewal-window': '4s', 'drift-window': '500ms', 'stuck-after': '20s' },
      alertNames,
    ),
  );

describe.skipIf(prometheusIsMissing || redisIsMissing)('a real Prometheus scrapes a real holder', () => {
  const processes = new Processes(
    ['core', 'backends/redis', 'telemetry', 'idempotency', 'outbox'],
    new URL('rules/worker.mjs', import.meta.url),
  );
  let redis: RedisServer;
  let proxy: FaultProxy;
  let prometheus: PrometheusServer;

  beforeAll(async () => {
    redis = await RedisServer.start();
    proxy = await FaultProxy.start(redis.port);
  });

  afterAll(async () => {
    await prometheus?.stop();
    await proxy?.close();
    await redis?.stop();
  });

  const isAbove = async (expression: string, bound: number) => {
    const [sample] = await prometheus.query(expression);
    return sample !== undefined && sample.value > bound;
  };

  /** Renewals go nowhere while a turn runs, until these alerts fire. On a machine that stood still meanwhile the lease may be lost first: then again. */
  const starve = async (names: readonly string[]) => {
    const allFire = async () => {
      const ever = await prometheus.alertsEver('firing');
      return names.every((name) => ever.includes(name));
    };
    for (let tries = 1; ; tries++) {
      await until(() => isAbove('lock_held', 0), 'it holds', 20_000);
      proxy.silence();
      try {
        return await until(allFire, `${names.join(' and ')} fire`, 2 * ttlMs);
      } catch (error) {
        if (tries === 3) throw error;
        proxy.speak();
      }
    }
  };

  it('is silent while all is well, and calls for help when renewals fail', async () => {
    const worker = processes.start([`redis://127.0.0.1:${proxy.port}`, String(ttlMs), '250']);
    const { port } = await worker.next();
    prometheus = await PrometheusServer.start({ job: 'orders', targets: [`127.0.0.1:${port}`], everyMs, rules: rules() });

    // Healthy for two renewals and a turn's end: what is silent has seen something.
    await until(() => isAbove('lock_renewals_total{job="orders",group="orders",outcome="renewed"}', 1), 'it renews', 30_000);
    await until(() => isAbove('lock_releases_total{outcome="released"}', 0), 'a turn ends', 30_000);
    expect(await prometheus.alertsEver('firing')).toEqual([]);
    expect(await prometheus.alertsEver('pending')).toEqual([]);

    await starve(['LeaseDriftHigh', 'LockRenewalFailures']);
    const [firing] = await prometheus.query('max_over_time(ALERTS{alertname="LeaseDriftHigh",alertstate="firing"}[1m])');
    expect(firing?.metric).toMatchObject({ job: 'orders', group: 'orders', severity: 'critical', component: 'holdfast' });

    // The store answers again: nobody is called for what is over.
    proxy.speak();
    const stillFiring = 'ALERTS{alertname=~"LockRenewalFailures|LeaseDriftHigh",alertstate="firing"}';
    await until(async () => (await prometheus.query(stillFiring)).length === 0, 'both alerts end', 20_000);
  });
});
