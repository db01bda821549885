import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.js';
import { redisIsMissing } from '../../support/redis-server.js';
import { awakeMs, until } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing).each(['ioredis 5', 'node-redis 5'])(
  'the connection for wake-ups alone is cut (%s)',
  (library) => {
    const scene = new Scene();
    const listening = () =>
      until(async () => (await scene.server.lines('CLIENT', 'LIST', 'TYPE', 'pubsub')).length > 0, 'somebody listens');

    it('a hand-over in that moment costs at most one poll', async () => {
      const lease = await (await scene.holder()).acquire('job');
      const waiter = await scene.holder({ library });
      const next = waiter.acquire('job');
      await listening();
      // The wake-up is published to nobody.
      await Promise.all([scene.server.command('CLIENT', 'KILL', 'TYPE', 'pubsub'), lease.release()]);
      const releasedMs = awakeMs();
      const granted = await next;
      expect(awakeMs() - releasedMs).toBeLessThan(limits.pollMsMax + 500);
      expect(await scene.work(granted)).toBe(true);
      await granted.release();
    });

    it('again and again under a crowd: nobody fails, and nobody is left out', async () => {
      const crowds = [await scene.holder({ library }), await scene.holder({ library }), await scene.holder({ library })].map(
        (holder) => scene.crowd([holder], 'job'),
      );
      for (let i = 0; i < 10; i++) {
        for (const crowd of crowds) await crowd.more(1);
        await scene.server.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      }
      for (const crowd of crowds) await crowd.more(1);
      await Promise.all(crowds.map((crowd) => crowd.stop()));
      for (const crowd of crowds) expect(crowd.failures).toEqual([]);
      expect((await scene.sink.check()).refused).toBe(0);
    });
  },
);
