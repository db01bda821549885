import { describe, expect, it } from 'vitest';
import { redisIsMissing } from '../../support/redis-server.js';
import { until } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing)('SCRIPT FLUSH', () => {
  const scene = new Scene();

  it.each(['ioredis 5', 'node-redis 5'])(
    'in the middle of holds, waits and hand-overs is noticed by nobody (%s)',
    async (library) => {
      const holders = [
        await scene.holder({ library, ttlMs: 3_000 }),
        await scene.holder({ library }),
        await scene.holder({ library }),
      ];
      const renewals: string[] = [];
      holders[0]?.on('renewed', () => renewals.push('renewed'));
      holders[0]?.on('renewal-failed', () => renewals.push('failed'));
      const lease = await holders[0]?.acquire('held');
      const crowd = scene.crowd(holders, 'job');
      for (let i = 0; i < 20; i++) {
        await scene.server.command('SCRIPT', 'FLUSH');
        await crowd.more(3);
      }
      await until(() => renewals.length > 2, 'renewals');
      await crowd.stop();
      expect(crowd.failures).toEqual([]);
      expect(renewals).not.toContain('failed');
      expect(await lease?.release()).toBe('released');
      expect((await scene.sink.check()).refused).toBe(0);
    },
  );
});
