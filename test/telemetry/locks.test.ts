import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sqlite } from '../../src/backends/sqlite/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { instruments } from '../../src/telemetry/instruments.js';
import { prometheusMetrics } from '../../src/telemetry/prometheus/index.js';
import { Worker } from '../support/processes.js';
import { thrownBy, until } from '../support/waits.js';
import { parsed, Scrapes } from './support/scrape.js';
import { standStill } from '../support/stand-still.js';

/** A machine that stands still for a second must not end a lease that is renewed. */
const ttlMs = 4_000;

describe('the metrics of locks on SQLite', () => {
  const scrapes = new Scrapes({ groupOf: (name) => name.split(':')[0] as string });
  const children: ChildProcess[] = [];
  let folder: string;
  let locks: Holdfast;

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-telemetry-'));
    locks = new Holdfast(sqlite(path.join(folder, 'locks.db')), { ttlMs });
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await locks.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('a turn is counted where its name belongs, and nowhere is its name', async () => {
    await locks.request('order:1', () => {});
    await locks.request('order:2', { mode: 'shared' }, () => {});
    await locks.request('user:1', () => {});
    const all = await scrapes.all();
    expect(all.get('lock_acquisition_latency_seconds_count{group="order",mode="exclusive"}')).toBe(1);
    expect(all.get('lock_acquisition_latency_seconds_count{group="order",mode="shared"}')).toBe(1);
    expect(all.get('lock_acquisition_latency_seconds_bucket{group="order",le="60",mode="exclusive"}')).toBe(1);
    expect(all.get('lock_hold_seconds_count{group="order"}')).toBe(2);
    expect(all.get('lock_releases_total{group="order",outcome="released"}')).toBe(2);
    expect(all.get('lock_releases_total{group="user",outcome="released"}')).toBe(1);
    expect(all.get('lock_ttl_seconds{group="order"}')).toBe(ttlMs / 1_000);
    expect(all.get('lock_lost_total{group="order",loss="expired"}')).toBe(0);
    expect(all.get('store_call_seconds_count{op="acquire",outcome="answered"}')).toBe(3);
    expect(all.get('store_call_seconds_count{op="release",outcome="answered"}')).toBe(3);
    expect([...all.keys()].filter((key) => /order:|user:/.test(key))).toEqual([]);
  });

  it('who holds and who waits is seen while it is so, however the wait ends', async () => {
    const lease = await locks.acquire('a:1');
    const gone = new AbortController();
    const waits = [
      locks.acquire('a:1'),
      locks.acquire('a:1', { signal: gone.signal }),
      locks.acquire('a:1', { waitMs: 2_000 }),
    ] as const;
    expect(await scrapes.value('lock_held', { group: 'a' })).toBe(1);
    expect(await scrapes.value('lock_wait_queue', { group: 'a' })).toBe(3);
    gone.abort(new Error('no more'));
    expect(await thrownBy(waits[1])).toMatchObject({ message: 'no more' });
    expect(await thrownBy(waits[2])).toMatchObject({ code: 'TIMED_OUT' });
    expect(await scrapes.value('lock_wait_queue', { group: 'a' })).toBe(1);
    // Those who do not want to wait are refused.
    expect(await thrownBy(locks.acquire('a:1', { waitMs: 0 }))).toMatchObject({ code: 'BUSY' });
    expect(await locks.request('a:1', { ifAvailable: true }, (none) => none)).toBe(null);
    expect(await scrapes.value('lock_wait_queue', { group: 'a' })).toBe(1);
    await lease.release();
    await (await waits[0]).release();
    expect(await scrapes.value('lock_wait_queue', { group: 'a' })).toBe(0);
    expect(await scrapes.value('lock_held', { group: 'a' })).toBe(0);
  });

  it('a turn that runs longer than expected is overdue until it ends', async () => {
    expect(await locks.request('a:1', { expectedHoldMs: 10 }, () => overdue(1))).toBe(true);
    expect(await scrapes.value('lock_overdue', { group: 'a' })).toBe(0);
    expect(await scrapes.value('lock_expected_hold_seconds', { group: 'a' })).toBe(0.01);
  });

  async function overdue(count: number): Promise<true> {
    await until(async () => (await scrapes.value('lock_overdue', { group: 'a' })) === count, `${count} are overdue`);
    return true;
  }

  it('renewals are counted, and a healthy lease does not drift', async () => {
    await locks.request('a:1', () =>
      until(async () => ((await scrapes.value('lock_renewals_total', { group: 'a', outcome: 'renewed' })) ?? 0) >= 2, 'renewed'),
    );
    expect(await scrapes.value('lock_renewals_total', { group: 'a', outcome: 'failed' })).toBe(0);
    expect(await scrapes.value('stale_lock_renewal_failures_total', { group: 'a' })).toBe(0);
  });

  it.each(['revoked', 'stolen'] as const)('a lock that is %s is lost, and no longer held', async (loss) => {
    const lease = await locks.acquire('a:1');
    if (loss === 'revoked') await locks.revoke('a:1', { reason: 'test' });
    else await locks.request('a:1', { steal: true }, () => {});
    expect(await scrapes.value('lock_lost_total', { group: 'a', loss })).toBe(1);
    expect(await scrapes.value('lock_held', { group: 'a' })).toBe(0);
    await lease.release();
    expect(await scrapes.value('lock_releases_total', { group: 'a', outcome: 'released' })).toBe(loss === 'stolen' ? 1 : 0);
  });

  it('a process that was stopped past its TTL counts the loss when it goes on', async () => {
    const script = fileURLToPath(new URL('support/worker.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, path.join(folder, 'other.db'), 'a', '500'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    const holder = new Worker(child);
    expect(await holder.next()).toEqual({ held: true });
    const others = new Holdfast(sqlite(path.join(folder, 'other.db')), { ttlMs });
    standStill(child.pid);
    // Granted when the TTL of the stopped one is over.
    await others.request('a', () => {});
    child.kill('SIGCONT');
    await others.close();
    holder.say('metrics');
    const { text } = (await holder.next()) as { text: string };
    const all = parsed(text);
    expect(all.get('lock_lost_total{group="all",loss="expired"}')).toBe(1);
    expect(all.get('lock_held{group="all"}')).toBe(0);
    expect(all.get('lock_hold_seconds_count{group="all"}')).toBe(1);
  });

  it('turns and waits that began before anyone watched do not make a gauge go below what is there', async () => {
    const [early, waiting] = [await locks.acquire('a:1'), locks.acquire('a:1')];
    const register = new Registry();
    const late = prometheusMetrics({ register });
    await early.release();
    const second = await waiting;
    expect(parsed(await register.metrics()).get('lock_held{group="all"}')).toBe(1);
    expect(parsed(await register.metrics()).get('lock_wait_queue{group="all"}')).toBe(0);
    await second.release();
    expect(parsed(await register.metrics()).get('lock_held{group="all"}')).toBe(0);
    late.stop();
  });

  it('a group beyond 200, and one that the function throws for, is "other"', async () => {
    const register = new Registry();
    const groupOf = (name: string) => {
      if (name === 'bad') throw new Error('no group');
      return name;
    };
    const metrics = prometheusMetrics({ register, groupOf });
    for (let n = 0; n < 203; n++) await locks.request(`g${n}`, () => {});
    await locks.request('bad', () => {});
    const all = parsed(await register.metrics());
    expect(all.get('lock_hold_seconds_count{group="g199"}')).toBe(1);
    expect(all.get('lock_hold_seconds_count{group="g200"}')).toBe(undefined);
    expect(all.get('lock_hold_seconds_count{group="other"}')).toBe(4);
    metrics.stop();
  });

  it('after stop() nothing is counted, the register is free, and a second pair of metrics needs one of its own', async () => {
    const register = new Registry();
    const first = prometheusMetrics({ register });
    expect(await thrownBy(() => prometheusMetrics({ register }))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    first.stop();
    expect(register.getMetricsAsArray()).toEqual([]);
    const second = prometheusMetrics({ register });
    const names = register.getMetricsAsArray().map(({ name }) => name);
    expect(names).toEqual(Object.values(instruments).map(({ name }) => name));
    second.stop();
    expect(await thrownBy(() => prometheusMetrics({ groupOf: 'order' } as never))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
