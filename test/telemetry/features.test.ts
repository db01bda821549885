import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SqliteRecords, sqliteRecords } from '../../src/backends/sqlite/index.js';
import { type Idempotent, idempotent } from '../../src/idempotency/index.js';
import { type Decision, reconciler } from '../../src/idempotency/reconcile/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { Collector, event, Scene } from '../outbox/support/scene.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { until } from '../support/waits.js';
import { Scrapes } from './support/scrape.js';

describe('the metrics of idempotent requests', () => {
  const scrapes = new Scrapes();
  let folder: string;
  let records: SqliteRecords;
  let charges: Idempotent;

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-telemetry-'));
    records = sqliteRecords(path.join(folder, 'records.db'));
    charges = idempotent(records, { operation: 'charge' });
  });
  afterEach(async () => {
    await charges.close();
    await records.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const requests = (outcome: string) => scrapes.value('deduplication_requests_total', { operation: 'charge', outcome });
  const ratio = () => scrapes.value('deduplication_cache_hit_ratio', { operation: 'charge' });
  const breakInside = (key: string) =>
    charges.run({ key }, (turn) => {
      turn.effect('charge');
      throw new Error('the connection was cut');
    });

  it('one in four is executed, the others are hits', async () => {
    expect(await ratio()).toBe(undefined);
    for (let n = 0; n < 4; n++) await charges.run({ key: 'a' }, async () => 'done');
    expect(await requests('executed')).toBe(1);
    expect(await requests('replayed')).toBe(3);
    expect(await ratio()).toBe(0.75);
  });

  it('each other answer at the door has an outcome of its own, and is no hit', async () => {
    let end = () => {};
    const running = charges.run({ key: 'a' }, () => new Promise<void>((resolve) => (end = resolve)));
    await until(async () => (await requests('executed')) === 1, 'it runs');
    expect(await charges.run({ key: 'a' }, async () => 'never')).toMatchObject({ outcome: 'running' });
    expect(await charges.run({ key: 'a', parts: ['b'] }, async () => 'never')).toMatchObject({ outcome: 'mismatch' });
    expect([await requests('running'), await requests('mismatch')]).toEqual([1, 1]);
    end();
    await running;
    await breakInside('b');
    // It was executed, and froze inside: that is no answer at the door.
    expect(await requests('frozen')).toBe(0);
    await charges.run({ key: 'b' }, async () => 'never');
    expect(await requests('frozen')).toBe(1);
    expect(await ratio()).toBe(0);
  });

  it('frozen records are those that a pass could not resolve; none are known where nobody passes', async () => {
    const term = new AbortController();
    const leading = { term: 1n, signal: term.signal, assertLeading: () => {} };
    let decision: Decision = { verdict: 'unknown' };
    const job = reconciler(records, { sinks: [], resolve: async () => decision, everyMs: 100 });
    for (const key of ['a', 'b']) await breakInside(key);
    expect(await scrapes.value('frozen_records')).toBe(undefined);
    await job.pass(leading);
    expect(await scrapes.value('frozen_records')).toBe(2);
    decision = { verdict: 'failed', value: 'not charged' };
    const done = job.run(leading);
    await until(async () => (await scrapes.value('frozen_records')) === 0, 'all are resolved');
    term.abort(new Error('over'));
    await done;
    expect(await scrapes.value('frozen_records')).toBe(undefined);
  });
});

describe.skipIf(postgresIsMissing)('the lag of an outbox', () => {
  const scrapes = new Scrapes();
  const scene = new Scene();
  const lag = () => scrapes.value('outbox_lag_seconds');

  it('is the age of what is still to be published, also while it is tried again, and 0 when nothing is', async () => {
    let broken = true;
    const collector = new Collector(() => (broken ? new Error('not now') : undefined));
    await scene.write(event('k', 1));
    expect(await lag()).toBe(undefined);
    const relay = scene.relay(collector);
    await until(async () => ((await lag()) ?? 0) > 0, 'it is seen');
    const early = await lag();
    await until(async () => ((await lag()) ?? 0) > (early ?? 0) + 1, 'it grows');
    broken = false;
    await scene.drained();
    await until(async () => (await lag()) === 0, 'nothing is left');
    await relay.stop();
    expect(await lag()).toBe(undefined);
  });

  it('grows while the database does not answer', async () => {
    await scene.write(event('k', 1));
    const proxy = await FaultProxy.start(scene.server.port);
    const url = scene.server.url.replace(`:${scene.server.port}/`, `:${proxy.port}/`);
    const relay = scene.relay(new Collector(() => new Error('not now')), { ttlMs: 3_000 }, scene.database(undefined, url));
    await until(async () => ((await lag()) ?? 0) > 0, 'it is seen');
    proxy.silence();
    const at = (await lag()) ?? 0;
    await until(async () => ((await lag()) ?? 0) > at + 1, 'it grows', 20_000);
    proxy.speak();
    proxy.reset();
    await relay.stop();
    await proxy.close();
  });
});
