import { describe, expect, it } from 'vitest';
import { postgresIsMissing } from '../../support/postgres-server.js';
import { lossOf, until } from '../../support/waits.js';
import { Scene } from '../scene.js';

const libraries = ['pg', 'postgres'];

describe.skipIf(postgresIsMissing)('a server', () => {
  const scene = new Scene();

  describe.each(libraries)('through %s', (library) => {
    it('killed and started again keeps holds and fences; waiters go on', async () => {
      const locks = scene.holder({ library, ttlMs: 8_000 });
      const lease = await locks.acquire('job');
      expect(await scene.work(lease)).toBe(true);
      const waiting = scene.holder({ library }).acquire('job');
      await until(async () => (await locks.query()).pending.length === 1, 'somebody waits');
      await scene.server.kill();
      await scene.server.boot();
      const other = scene.holder({ library });
      await expect(other.acquire('job', { waitMs: 0 })).rejects.toMatchObject({ code: 'BUSY' });
      expect(await scene.work(lease)).toBe(true);
      const { fence } = lease;
      expect(await lease.release()).toBe('released');
      const next = await waiting;
      expect(next.fence).toBeGreaterThan(fence);
      expect(await next.release()).toBe('released');
    });

    it('killed for longer than the TTL: the holder is told by its deadline, without a reply', async () => {
      const locks = scene.holder({ library, ttlMs: 800 });
      const lease = await locks.acquire('job');
      const lost = lossOf(locks);
      await scene.server.kill();
      const { loss, afterMs } = await lost;
      expect(loss).toBe('expired');
      expect(afterMs).toBeLessThan(800 + 400);
      await scene.server.boot();
      // A renewal whose reply the kill took may have been done: then there is still something to release.
      expect(await lease.release()).toMatch(/absent|unknown|released/);
    });

    it('stopped for longer than the TTL: the loss is signalled by the deadline, and what was sent meanwhile leaves nothing', async () => {
      const locks = scene.holder({ library, ttlMs: 600 });
      const lease = await locks.acquire('job');
      const { fence } = lease;
      const lost = lossOf(locks);
      scene.server.signalAll('SIGSTOP');
      try {
        const { loss, afterMs } = await lost;
        expect(loss).toBe('expired');
        expect(afterMs).toBeLessThan(600 + 400);
        expect(lease.signal.aborted).toBe(true);
        expect(() => lease.fence).toThrow(expect.objectContaining({ loss: 'expired' }));
        expect(await lease.release()).toBe('unknown');
      } finally {
        scene.server.signalAll('SIGCONT');
      }
      const next = await scene.holder({ library }).acquire('job');
      expect(await scene.work(next)).toBe(true);
      expect(scene.lateWrite(lease, fence)).toBe(false);
      expect(await next.release()).toBe('released');
    });
  });

  it('killed under a crowd: nobody works beside another, and all go on', async () => {
    const holders = [scene.holder(), scene.holder({ library: 'postgres' }), scene.holder()];
    const crowd = scene.crowd(holders, 'job');
    await crowd.more(20);
    await scene.server.kill();
    await scene.server.boot();
    await crowd.more(20, 20_000);
    await crowd.stop();
    expect(scene.sink.refused).toBe(0);
  });

  it('that ends sessions again and again: nobody loses a lease, and waiters go on', async () => {
    const holders = [scene.holder(), scene.holder({ library: 'postgres' }), scene.holder()];
    const crowd = scene.crowd(holders, 'job');
    await crowd.more(10);
    for (let i = 0; i < 8; i++) {
      await crowd.more(2);
      await scene.server.terminateOthers();
    }
    await crowd.more(10);
    await crowd.stop();
    expect(crowd.failures).toEqual([]);
    expect(scene.sink.refused).toBe(0);
  });
});

describe.skipIf(postgresIsMissing)('a session that is ended in the middle of its statement', () => {
  const scene = new Scene();

  it.each(libraries)('has done nothing, and another one does it (%s)', async (library) => {
    const locks = scene.holder({ library, ttlMs: 10_000 });
    await (await locks.acquire('job')).release();
    const blocker = scene.server.client();
    await blocker.connect();
    await blocker.query("BEGIN; SELECT FROM holdfast.leases WHERE name = 'job' FOR UPDATE");
    const waiting = locks.acquire('job');
    const inside = "query LIKE '%v2_acquire%' AND wait_event_type = 'Lock'";
    await until(
      async () => Number(await scene.server.value(`SELECT count(*) FROM pg_stat_activity WHERE ${inside}`)) > 0,
      'it waits inside',
    );
    await scene.server.terminateOthers(inside);
    await blocker.query('ROLLBACK');
    await blocker.end();
    const lease = await waiting;
    expect(await scene.work(lease)).toBe(true);
    expect((await locks.query()).held).toHaveLength(1);
    expect(await lease.release()).toBe('released');
  });
});
