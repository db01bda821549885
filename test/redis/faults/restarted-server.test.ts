import { describe, expect, it } from 'vitest';
import { redisIsMissing } from '../../support/redis-server.js';
import { lossOf } from '../../support/waits.js';
import { Scene } from './scene.js';

const libraries = ['ioredis 5', 'node-redis 5'];

describe.skipIf(redisIsMissing).each(libraries)('a server that is killed and started again (%s)', (library) => {
  describe('without persistence', () => {
    const scene = new Scene();

    it('the holder is told "forgotten" by its next renewal; until then only the fence keeps its writes out', async () => {
      const locks = await scene.holder({ library, ttlMs: 6_000 });
      const lease = await locks.acquire('job');
      const { fence } = lease;
      await scene.work(lease);
      const lost = lossOf(locks);
      await scene.server.kill();
      await scene.server.boot();
      const next = await (await scene.holder({ library })).acquire('job');
      expect(next.fence).toBeGreaterThan(fence);
      expect(await scene.work(next)).toBe(true);
      expect(await scene.lateWrite(lease, fence)).toBe(false);
      const { loss, afterMs } = await lost;
      expect(loss).toBe('forgotten');
      // A renewal is due after a third of the TTL; the client may need a second to connect again.
      expect(afterMs).toBeLessThan(5_000);
      expect(() => lease.fence).toThrow(expect.objectContaining({ code: 'LEASE_LOST', loss: 'forgotten' }));
      expect(await lease.release()).toBe('absent');
      expect(await next.release()).toBe('released');
    });

    it('a holder whose server stays away is told by its deadline, without a reply', async () => {
      const locks = await scene.holder({ library, ttlMs: 800 });
      const lease = await locks.acquire('job');
      const lost = lossOf(locks);
      await scene.server.kill();
      const { loss, afterMs } = await lost;
      expect(loss).toBe('expired');
      expect(afterMs).toBeLessThan(800 + 400);
      await scene.server.boot();
      expect(await lease.release()).toMatch(/absent|unknown/);
    });

    it('waiters go on, and a place in the queue is taken again', async () => {
      const holders = [await scene.holder({ library }), await scene.holder({ library }), await scene.holder({ library })];
      const crowd = scene.crowd(holders, 'job');
      await crowd.more(20);
      await scene.server.kill();
      await scene.server.boot();
      await crowd.more(20);
      await crowd.stop();
    });
  });

  // What was written to the file system survives the process, synced or not: only a machine that fails can lose it.
  describe.each(['everysec', 'always'])('with an append-only file, appendfsync %s', (appendfsync) => {
    const scene = new Scene('--appendonly', 'yes', '--appendfsync', appendfsync);

    it('the hold and its fence survive', async () => {
      const locks = await scene.holder({ library, ttlMs: 6_000 });
      const lease = await locks.acquire('job');
      const waiting = (await scene.holder({ library })).acquire('job');
      await scene.server.kill();
      await scene.server.boot();
      const other = await scene.holder({ library });
      await expect(other.acquire('job', { waitMs: 0 })).rejects.toMatchObject({ code: 'BUSY' });
      expect(await scene.work(lease)).toBe(true);
      const { fence } = lease;
      expect(await lease.release()).toBe('released');
      const next = await waiting;
      expect(next.fence).toBeGreaterThan(fence);
      await next.release();
    });
  });
});
