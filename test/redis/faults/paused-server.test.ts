import { describe, expect, it } from 'vitest';
import { redisIsMissing } from '../../support/redis-server.js';
import { lossOf } from '../../support/waits.js';
import { Scene } from './scene.js';

const ttlMs = 1_000;
const pauseMs = 2_500;

describe.skipIf(redisIsMissing)('a server that answers nothing for longer than the TTL', () => {
  const scene = new Scene('--enable-debug-command', 'yes');

  const pauses: readonly (readonly [what: string, begin: () => Promise<unknown>])[] = [
    ['CLIENT PAUSE WRITE', () => scene.server.command('CLIENT', 'PAUSE', String(pauseMs), 'WRITE')],
    [
      'DEBUG SLEEP',
      async () => {
        // Answers at its end only.
        void scene.server.command('DEBUG', 'SLEEP', String(pauseMs / 1_000));
        await new Promise((resolve) => setTimeout(resolve, 50));
      },
    ],
  ];

  describe.each(['ioredis 5', 'node-redis 5'])('through %s', (library) => {
    it.each(pauses)('(%s): the loss is signalled by the deadline, not by the reply', async (_what, pause) => {
      const locks = await scene.holder({ library, ttlMs });
      const lease = await locks.acquire('job');
      const lost = lossOf(locks);
      await pause();
      const { loss, afterMs } = await lost;
      expect(loss).toBe('expired');
      // Long before the server speaks again; how late our timer may be depends on the machine.
      expect(afterMs).toBeLessThan(ttlMs + 700);
      expect(lease.signal.aborted).toBe(true);
      expect(() => lease.fence).toThrow(expect.objectContaining({ loss: 'expired' }));
      // What was sent during the pause is done at its end: it revives nothing and leaves nothing behind.
      expect(await lease.release()).toMatch(/unknown|absent/);
      const next = await locks.acquire('job', { ttlMs: 10_000 });
      expect(await scene.work(next)).toBe(true);
      await next.release();
    });

    it.each(pauses)(
      '(%s): an ask that waited that long for its answer gets a lease that is good, or none',
      async (_what, pause) => {
        const locks = await scene.holder({ library, ttlMs });
        await pause();
        const lease = await locks.acquire('job');
        expect(lease.remainingMs).toBeGreaterThan(0);
        expect(await scene.work(lease)).toBe(true);
        expect(await lease.release()).toBe('released');
        await expect(locks.query()).resolves.toEqual({ held: [], pending: [] });
      },
    );
  });
});
