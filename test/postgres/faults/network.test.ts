import { describe, expect, it } from 'vitest';
import { postgresFromUrl } from '../../../src/backends/postgres/index.js';
import type { Holdfast } from '../../../src/core/holdfast.js';
import { limits } from '../../../src/core/limits.js';
import type { FaultProxy } from '../../../src/testkit/faults/proxy.js';
import { postgresIsMissing } from '../../support/postgres-server.js';
import { awakeMs, lossOf, thrownBy, until } from '../../support/waits.js';
import { Scene } from '../scene.js';

const ttlMs = 800;
const unavailableMs = 500;
const enoughMs = unavailableMs + ttlMs / 2 + 2_000;

describe.skipIf(postgresIsMissing).each(['pg', 'postgres'])('the network, through %s', (library) => {
  const scene = new Scene();
  const live = () =>
    scene.server.value("SELECT count(*)::int FROM holdfast.leases WHERE name = 'job' AND expires > clock_timestamp()");

  const listening = async () =>
    Number(await scene.server.value("SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'listen %'"));

  const setUp = async (options: { ttlMs: number; unavailableMs?: number }): Promise<readonly [Holdfast, FaultProxy]> => {
    const proxy = await scene.proxy();
    const locks = scene.holder({ library, port: proxy.port, ...options });
    await (await locks.acquire('warm-up')).release();
    return [locks, proxy];
  };

  it('cut off without a word: nothing hangs, the holder is told in time, and others get the name', async () => {
    const [locks, proxy] = await setUp({ ttlMs, unavailableMs });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const next = scene.holder().acquire('job');
    const lost = lossOf(locks);
    proxy.silence();
    const sinceMs = awakeMs();
    const asked = thrownBy(locks.acquire('other'));
    expect(await thrownBy(locks.query())).toMatchObject({ code: expect.stringMatching(/OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE/) });
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(ttlMs + 500);
    expect(await asked).toMatchObject({ code: expect.stringMatching(/OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE/) });
    expect(awakeMs() - sinceMs).toBeLessThan(enoughMs + 2_000);
    expect(await lease.release()).toBe('unknown');
    const successor = await next;
    expect(successor.fence).toBeGreaterThan(fence);
    expect(await scene.work(successor)).toBe(true);
    expect(scene.lateWrite(lease, fence)).toBe(false);
    proxy.speak();
    expect(await successor.release()).toBe('released');
    let again = await locks.acquire('job').catch(() => undefined);
    for (let tries = 0; again === undefined && tries < 5; tries++) again = await locks.acquire('job').catch(() => undefined);
    expect(await again?.release()).toBe('released');
  });

  it('cut off: an instance can be closed', async () => {
    const [locks, proxy] = await setUp({ ttlMs, unavailableMs });
    await locks.acquire('job');
    proxy.silence();
    const sinceMs = awakeMs();
    await locks.close();
    expect(awakeMs() - sinceMs).toBeLessThan(enoughMs + 1_000);
    await (await scene.holder().acquire('job')).release();
  });

  it('cut in the middle of an ask, a renewal and a release: they are sent again', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 4_000 });
    const cut = proxy.once('v2_acquire', 'cut');
    const lease = await locks.acquire('job');
    await cut;
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    await proxy.once('v2_renew', 'cut');
    const before = renewed;
    await until(() => renewed > before + 1, 'renewals');
    expect(await scene.work(lease)).toBe(true);
    const cutAgain = proxy.once('v2_release', 'cut');
    expect(await lease.release()).toBe('released');
    await cutAgain;
  });

  it('loses the reply to an ask: the same owner asks again, and is told the same grant', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 10_000 });
    const lost = proxy.once('v2_acquire', 'lose-reply');
    const lease = await locks.acquire('job');
    await lost;
    // No second grant was made.
    expect(BigInt(String(await scene.server.value("SELECT fence FROM holdfast.leases WHERE name = 'job'")))).toBe(lease.fence);
    expect((await locks.query()).held).toHaveLength(1);
    expect(await lease.release()).toBe('released');
  });

  it('loses the reply to an ask that is then given up: nothing is left', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 1_000, unavailableMs: 200 });
    const lost = proxy.once('v2_acquire', 'swallow-replies');
    const refused = thrownBy(locks.acquire('job'));
    await lost;
    expect(await live()).toBe(1);
    expect(await refused).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    proxy.speak();
    await until(async () => (await live()) === 0, 'the ask is withdrawn, or its TTL is over');
    await (await scene.holder().acquire('job')).release();
  });

  it('loses the reply to a release: it is settled by asking again', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 10_000 });
    const lease = await locks.acquire('job');
    const lost = proxy.once('v2_release', 'lose-reply');
    // The second copy finds nothing.
    expect(await lease.release()).toBe('absent');
    await lost;
    expect(await live()).toBe(0);
  });

  it('loses the reply to a renewal: the lease goes on', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 4_000 });
    const lease = await locks.acquire('job');
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    await proxy.once('v2_renew', 'lose-reply');
    const before = renewed;
    await until(() => renewed > before + 1, 'renewals');
    expect(await lease.release()).toBe('released');
  });

  it('loses the reply to a withdrawal: it is sent again, and nothing is left', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 10_000 });
    const other = await scene.holder().acquire('job');
    const lost = proxy.once('v2_abandon', 'lose-reply');
    expect(await thrownBy(locks.acquire('job', { waitMs: 500 }))).toMatchObject({ code: 'TIMED_OUT' });
    await lost;
    await until(async () => (await scene.server.value('SELECT count(*)::int FROM holdfast.waiters')) === 0, 'no place is left');
    expect(await other.release()).toBe('released');
  });

  it('keeps the connection that listens silent before it listens: a wake-up that is missed costs a poll, and another one is made', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 10_000 });
    const held = await scene.holder().acquire('job');
    const hung = proxy.once('pg_backend_pid', 'swallow-replies');
    const waiting = locks.acquire('job');
    await hung;
    expect(await held.release()).toBe('released');
    const sinceMs = awakeMs();
    const next = await waiting;
    expect(awakeMs() - sinceMs).toBeLessThan(limits.pollMsMax + 1_500);
    expect(await next.release()).toBe('released');
    await until(async () => (await listening()) === 1, 'it listens', 15_000);
  });

  it('keeps LISTEN without an answer: a wake-up that is missed costs a poll', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 10_000 });
    const held = await scene.holder().acquire('job');
    const hung = proxy.once(library === 'pg' ? 'LISTEN "' : 'listen "', 'swallow-replies');
    const waiting = locks.acquire('job');
    await hung;
    expect(await held.release()).toBe('released');
    const sinceMs = awakeMs();
    const next = await waiting;
    expect(awakeMs() - sinceMs).toBeLessThan(limits.pollMsMax + 1_500);
    expect(await next.release()).toBe('released');
  });

  it('cuts the connection that listens: whoever waits is woken again', async () => {
    const [locks, proxy] = await setUp({ ttlMs: 10_000 });
    const first = scene.holder();
    const held = await first.acquire('job');
    const waiting = locks.acquire('job');
    await until(async () => (await listening()) === 1, 'it listens');
    proxy.reset();
    await until(async () => (await listening()) === 1, 'it listens again');
    expect(await held.release()).toBe('released');
    expect(await (await waiting).release()).toBe('released');
  });
});

describe.skipIf(postgresIsMissing)('a client of our own', () => {
  const scene = new Scene();

  it.each(['pg', 'postgres'] as const)(
    'that is cut off from the very beginning says so within its deadline, and recovers (%s)',
    async (library) => {
      const proxy = await scene.proxy();
      proxy.silence();
      const locks = scene.holderOn(await postgresFromUrl(scene.urlAt(proxy.port), library), { ttlMs, unavailableMs });
      const sinceMs = awakeMs();
      expect(await thrownBy(locks.acquire('job'))).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: false });
      expect(awakeMs() - sinceMs).toBeLessThan(enoughMs);
      proxy.speak();
      let lease = await locks.acquire('job').catch(() => undefined);
      for (let tries = 0; lease === undefined && tries < 8; tries++) lease = await locks.acquire('job').catch(() => undefined);
      expect(await lease?.release()).toBe('released');
    },
  );
});
