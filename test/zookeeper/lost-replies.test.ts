import { describe, expect, it } from 'vitest';
import type { Holdfast } from '../../src/core/holdfast.js';
import type { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { until } from '../support/waits.js';
import { zookeeperIsMissing } from '../support/zookeeper-server.js';
import { Scene } from './scene.js';

const longMs = 10_000;

describe.skipIf(zookeeperIsMissing)('a reply that is lost on the way', () => {
  const scene = new Scene('one');

  /** A holder behind a proxy, with a session. */
  const setUp = async (ttlMs = longMs, unavailableMs = 5_000): Promise<readonly [Holdfast, FaultProxy]> => {
    const proxy = await scene.proxy();
    const locks = scene.holder({ ttlMs, unavailableMs }, `127.0.0.1:${proxy.port}`);
    await (await locks.acquire('warm-up')).release();
    return [locks, proxy];
  };
  const holds = async () => (await scene.nodes('job')).filter((node) => node.startsWith('h'));
  const places = async () => (await scene.nodes('job')).filter((node) => node.startsWith('p'));

  it('of an ask: the same owner asks again, and is told the same grant', async () => {
    const [locks, proxy] = await setUp();
    const lost = proxy.once('/locks/job/hx-', 'lose-reply');
    const lease = await locks.acquire('job');
    await lost;
    expect(await holds()).toHaveLength(1);
    const [record] = (await scene.holder().query()).held;
    expect(record?.fence).toBe(lease.fence);
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
  });

  it('of an ask that is then given up: nothing is left', async () => {
    const [locks, proxy] = await setUp(1_000, 200);
    const lost = proxy.once('/locks/job/hx-', 'swallow-replies');
    const refused = expect(locks.acquire('job')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await lost;
    await until(async () => (await holds()).length === 1, 'it was granted');
    await refused;
    // The withdrawal arrives, although no reply to it does; at the latest through another connection.
    await until(async () => (await holds()).length === 0, 'the ask is withdrawn');
    proxy.speak();
    const next = await locks.acquire('job');
    await next.release();
  });

  it('of a place in line: the same place is found again', async () => {
    const [locks, proxy] = await setUp();
    const holder = await scene.holder({ ttlMs: longMs }).acquire('job');
    const lost = proxy.once('/locks/job/px-', 'lose-reply');
    const next = locks.acquire('job');
    await lost;
    await until(async () => (await places()).length === 1, 'there is a place');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await places()).toHaveLength(1);
    await holder.release();
    expect(await (await next).release()).toBe('released');
  });

  it('of a release: it is settled by asking again', async () => {
    const [locks, proxy] = await setUp();
    const lease = await locks.acquire('job');
    const lost = proxy.once('/locks/job/hx-', 'lose-reply');
    expect(await lease.release()).toBe('unknown');
    await lost;
    await until(async () => (await scene.nodes('job')).length === 0, 'nothing is left');
    await (await scene.holder().acquire('job', { waitMs: 0 })).release();
  });

  it('of a renewal: the lease goes on', async () => {
    const [locks, proxy] = await setUp(4_000);
    const lease = await locks.acquire('job');
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    await proxy.once('/locks/job/hx-', 'lose-reply');
    const before = renewed;
    await until(() => renewed > before + 1, 'renewals');
    expect(await lease.release()).toBe('released');
  });

  it('of a withdrawal: it is sent again, and nothing is left', async () => {
    const [locks, proxy] = await setUp();
    const other = await scene.holder({ ttlMs: longMs }).acquire('job');
    const lost = proxy.once('/locks/job/t-', 'lose-reply');
    // The first with this text is the place itself, which must not be there if its owner has given up.
    const waiting = expect(locks.acquire('job', { waitMs: 800 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await lost;
    const again = proxy.once('/locks/job/t-', 'lose-reply');
    await waiting;
    await again;
    await until(async () => (await places()).length === 0, 'no place is left');
    expect(await other.release()).toBe('released');
  });

  it.each([false, true])(
    'of a revocation: it is looked what became of it, and whom it ended is told (of one fence: %s)',
    async (one) => {
      const [locks, proxy] = await setUp();
      const lease = await scene.holder({ ttlMs: longMs }).acquire('job');
      const { fence: first } = lease;
      const lost = proxy.once('/locks/job/r-', 'lose-reply');
      const { ended } = await locks.revoke('job', { reason: 'a test', ifFence: one ? first : undefined });
      await lost;
      expect(ended.map(({ fence }) => fence)).toEqual([first]);
      await until(async () => (await holds()).length === 0, 'nobody holds it');
      expect(await lease.release()).not.toBe('released');
    },
  );

  it('of a steal: one thief, one victim, one fence', async () => {
    const [locks, proxy] = await setUp();
    const lease = await scene.holder({ ttlMs: longMs }).acquire('job');
    const { fence: first } = lease;
    let robbed = 0;
    locks.on('revoked', () => {
      robbed += 1;
    });
    const lost = proxy.once('/locks/job/r-', 'lose-reply');
    await locks.request('job', { steal: true }, async (thief) => {
      await lost;
      expect(thief?.fence).toBeGreaterThan(first);
      expect(await holds()).toHaveLength(1);
      expect(robbed).toBe(1);
    });
    await until(async () => (await holds()).length === 0, 'nobody holds it');
    await lease.release();
  });
});
