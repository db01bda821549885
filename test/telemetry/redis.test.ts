import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Holdfast } from '../../src/core/holdfast.js';
import { redisGuard } from '../../src/guards/redis/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { openRedis } from '../support/redis-clients.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { thrownBy, until } from '../support/waits.js';
import { Scrapes } from './support/scrape.js';

/** Long enough that a busy machine does not lose it before a renewal has failed. */
const ttlMs = 6_000;
const all = { group: 'all' };

describe.skipIf(redisIsMissing)('the metrics of locks on Redis', () => {
  const scrapes = new Scrapes();
  let server: RedisServer;
  let proxy: FaultProxy;
  let locks: Holdfast;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    proxy = await FaultProxy.start(server.port);
    locks = new Holdfast(await openRedis('ioredis 5', `redis://127.0.0.1:${proxy.port}`), { ttlMs });
  });
  afterEach(async () => {
    proxy.speak();
    await locks.close();
    await proxy.close();
    await server.command('FLUSHALL');
  });

  const value = async (name: string, labels = {}) => (await scrapes.value(name, labels)) ?? 0;
  const seen = (name: string, labels: object, least: number) =>
    until(async () => (await value(name, labels)) >= least, `${name} is at least ${least}`);

  it('without answers renewals fail, the lease drifts, and it is lost; and calls have no outcome', async () => {
    const lease = await locks.acquire('a');
    expect(await value('lease_drift_percentage', all)).toBeLessThan(15);
    proxy.silence();
    await seen('stale_lock_renewal_failures_total', all, 1);
    expect(await value('lock_renewals_total', { ...all, outcome: 'failed' })).toBeGreaterThanOrEqual(1);
    await seen('lease_drift_percentage', all, 15);
    expect(await value('lock_held', all)).toBe(1);
    await seen('lock_lost_total', { ...all, loss: 'expired' }, 1);
    expect(await value('lock_held', all)).toBe(0);
    // No lease, no drift.
    expect(await value('lease_drift_percentage', all)).toBe(0);
    expect(await value('store_call_seconds_count', { op: 'renew', outcome: 'unknown' })).toBeGreaterThanOrEqual(1);
    proxy.speak();
    await lease.release();
  });

  it('a renewal that lands late shows what had gone of the TTL, until the next one lands in time', async () => {
    const lease = await locks.acquire('a');
    proxy.silence();
    await seen('lease_drift_percentage', all, 20);
    proxy.speak();
    proxy.reset();
    await seen('lock_renewals_total', { ...all, outcome: 'renewed' }, 1);
    expect(await value('lease_drift_percentage', all)).toBeGreaterThan(15);
    await until(async () => (await value('lease_drift_percentage', all)) < 15, 'it is in time again');
    await lease.release();
  });

  it('a lock that vanished from the store is lost as forgotten', async () => {
    const lease = await locks.acquire('a');
    await server.command('FLUSHALL');
    await seen('lock_lost_total', { ...all, loss: 'forgotten' }, 1);
    await lease.release();
  });

  it('a lock that vanished right before its release is seen in the outcome', async () => {
    const lease = await locks.acquire('a');
    await server.command('FLUSHALL');
    await lease.release();
    expect(await value('lock_releases_total', { ...all, outcome: 'absent' })).toBe(1);
  });

  it('a store that says no for itself fails its calls', async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    expect(await thrownBy(locks.acquire('a', { waitMs: 0 }))).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    expect(await value('store_call_seconds_count', { op: 'acquire', outcome: 'failed' })).toBe(1);
    expect(await value('lock_wait_queue', all)).toBe(0);
  });

  it('a write that a sink refuses is counted by the sink', async () => {
    const client = new Redis({ port: server.port, lazyConnect: true });
    const guard = redisGuard(client);
    const write = (fence: bigint) => guard.run({ resource: 'r', fence }, (writes) => writes.set('k', `${fence}`));
    await write(5n);
    expect(await scrapes.value('fence_rejections_total', { sink: 'redis' })).toBe(undefined);
    expect(await thrownBy(write(4n))).toMatchObject({ code: 'STALE_FENCE' });
    expect(await thrownBy(write(3n))).toMatchObject({ code: 'STALE_FENCE' });
    expect(await scrapes.value('fence_rejections_total', { sink: 'redis' })).toBe(2);
    client.disconnect();
  });
});
