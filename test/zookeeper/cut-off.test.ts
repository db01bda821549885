import { describe, expect, it } from 'vitest';
import { awakeMs, lossOf, thrownBy, until } from '../support/waits.js';
import { zookeeperIsMissing } from '../support/zookeeper-server.js';
import { Scene, sessionMs, tickMs, ttlMs } from './scene.js';

describe.skipIf(zookeeperIsMissing)('a client that is cut off', () => {
  const scene = new Scene('one');

  it('is told by its own deadline, and the next holder comes when its session is over', async () => {
    const proxy = await scene.proxy();
    const locks = scene.holder({}, `127.0.0.1:${proxy.port}`);
    const lease = await locks.acquire('job');
    const { fence } = lease;
    expect(await scene.work(lease)).toBe(true);
    const other = scene.holder({ ttlMs: 10_000 });
    const next = other.acquire('job');
    await until(async () => (await other.query()).pending.length === 1, 'somebody waits');
    const sinceMs = awakeMs();
    proxy.silence();
    const { loss, afterMs } = await lossOf(locks);
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThanOrEqual(ttlMs);
    const successor = await next;
    expect(lease.signal.aborted).toBe(true);
    expect(awakeMs() - sinceMs).toBeLessThan(sessionMs + 2 * tickMs + 1_000);
    expect(successor.fence).toBeGreaterThan(fence);
    expect(await scene.work(successor)).toBe(true);
    // A write of the first one that comes only now.
    expect(await scene.lateWrite(lease, fence)).toBe(false);
    proxy.speak();
    expect(['absent', 'not-owner', 'unknown']).toContain(await lease.release());
    successor.assertHeld();
    expect(await successor.release()).toBe('released');
    // Through a new session: the old one has expired.
    const again = await locks.acquire('job');
    expect(again.fence).toBeGreaterThan(fence);
    expect(await again.release()).toBe('released');
  });

  it('and comes back within its session has kept what it held', async () => {
    const proxy = await scene.proxy();
    const locks = scene.holder({ ttlMs: 5_000 }, `127.0.0.1:${proxy.port}`);
    const lease = await locks.acquire('job');
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    for (let i = 0; i < 5; i++) {
      proxy.reset();
      await until(() => proxy.connections > 0, 'it comes back');
    }
    const before = renewed;
    await until(() => renewed > before, 'a renewal');
    lease.assertHeld();
    expect(await lease.release()).toBe('released');
  });

  it('from the very beginning says so within its deadline, and works when a server is there', async () => {
    const proxy = await scene.proxy();
    proxy.silence();
    const locks = scene.holder({ unavailableMs: 600 }, `127.0.0.1:${proxy.port}`);
    const sinceMs = awakeMs();
    expect(await thrownBy(locks.acquire('job'))).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: false });
    expect(awakeMs() - sinceMs).toBeLessThan(3_000);
    proxy.speak();
    await until(
      () =>
        locks.acquire('job').then(
          async (lease) => (await lease.release()) === 'released',
          () => false,
        ),
      'it is granted',
    );
  });

  it.each(['list', 'close'])('does not hang: %s', async (what) => {
    const proxy = await scene.proxy();
    const locks = scene.holder({}, `127.0.0.1:${proxy.port}`);
    await locks.acquire('job');
    proxy.silence();
    const sinceMs = awakeMs();
    if (what === 'list') expect(await thrownBy(locks.query())).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    else await locks.close();
    expect(awakeMs() - sinceMs).toBeLessThan(7_000);
    await (await scene.holder().acquire('job')).release();
  });
});
