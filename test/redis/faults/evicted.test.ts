import { describe, expect, it } from 'vitest';
import { redisIsMissing } from '../../support/redis-server.js';
import { lossOf } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing)('a server that evicts', () => {
  const scene = new Scene('--maxmemory-policy', 'volatile-lru');

  it('the lock key: the holder is told "forgotten" by its next renewal, and the next fence is higher', async () => {
    const locks = await scene.holder({ ttlMs: 6_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    expect(await scene.work(lease)).toBe(true);
    const lost = lossOf(locks);
    // A key that may not be evicted fills the memory, so the volatile ones have to go: the lock, its fence, its queue.
    await scene.server.command('CONFIG', 'SET', 'maxmemory', '3mb');
    await scene.server.command('SET', 'ballast', 'x'.repeat(4_000_000));
    await scene.server.command('SET', 'last straw', 'x');
    expect(await scene.server.command('EXISTS', 'holdfast:job')).toBe(':0\r\n');
    await scene.server.command('DEL', 'ballast', 'last straw');
    await scene.server.command('CONFIG', 'SET', 'maxmemory', '0');
    const { loss, afterMs } = await lost;
    expect(loss).toBe('forgotten');
    expect(afterMs).toBeLessThan(5_000);
    const next = await locks.acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    expect(await scene.lateWrite(lease, fence)).toBe(false);
    await next.release();
  });
});
