import { describe, expect, it } from 'vitest';
import { redisIsMissing } from '../../support/redis-server.js';
import { lossOf } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing)('FLUSHALL', () => {
  const scene = new Scene();

  it.each(['exclusive', 'shared'] as const)('during a hold (%s): it is told "forgotten" by the next renewal', async (mode) => {
    const ttlMs = 6_000;
    const locks = await scene.holder({ ttlMs });
    const lease = await locks.acquire('job', { mode });
    const { fence } = lease;
    const lost = lossOf(locks);
    await scene.server.command('FLUSHALL');
    const { loss, afterMs } = await lost;
    expect(loss).toBe('forgotten');
    expect(afterMs).toBeLessThan((ttlMs * 2) / 3);
    expect(await lease.release()).toBe('absent');
    const next = await locks.acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('with a next holder before the first one knows: the fence keeps them apart', async () => {
    const locks = await scene.holder({ ttlMs: 3_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    expect(await scene.work(lease)).toBe(true);
    await scene.server.command('FLUSHALL');
    const next = await (await scene.holder()).acquire('job');
    expect(await scene.work(next)).toBe(true);
    expect(await scene.lateWrite(lease, fence)).toBe(false);
    expect(await lease.release()).toBe('not-owner');
    next.assertHeld();
    expect(await scene.work(next)).toBe(true);
    await next.release();
  });

  it('again and again under a crowd: waiters take their places anew', async () => {
    const crowd = scene.crowd(
      [await scene.holder(), await scene.holder({ library: 'node-redis 5' }), await scene.holder()],
      'job',
    );
    for (let i = 0; i < 10; i++) {
      await crowd.more(5);
      await scene.server.command('FLUSHALL');
    }
    await crowd.more(5);
    await crowd.stop();
  });
});
