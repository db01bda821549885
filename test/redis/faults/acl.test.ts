import { describe, expect, it } from 'vitest';
import { redisFromUrl } from '../../../src/backends/redis/index.js';
import { limits } from '../../../src/core/limits.js';
import { redisIsMissing } from '../../support/redis-server.js';
import { awakeMs, thrownBy } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing)('a user with fewer rights', () => {
  const scene = new Scene();

  const holderAs = async (user: string, ...rules: readonly string[]) => {
    await scene.server.command('ACL', 'SETUSER', user, 'reset', 'on', 'nopass', '~*', ...rules);
    return scene.holderOn(await redisFromUrl(scene.server.url.replace('//', `//${user}:x@`)));
  };

  it.each([
    ['may neither publish nor subscribe', ['&*', '+@all', '-@pubsub']],
    ['has no channel', ['resetchannels', '+@all']],
    ['may publish only', ['&*', '+@all', '-subscribe', '-ssubscribe']],
    ['may subscribe only', ['&*', '+@all', '-publish', '-spublish']],
  ])('who %s waits by polling', async (_what, rules) => {
    const [holder, waiter] = [await holderAs('mute', ...rules), await holderAs('mute', ...rules)];
    for (const mode of ['exclusive', 'shared'] as const) {
      const lease = await holder.acquire('job');
      const next = waiter.acquire('job', { mode });
      // A place is taken, so the release has somebody to wake.
      for (let pending = 0; pending === 0; ) pending = (await waiter.query()).pending.length;
      expect(await scene.work(lease)).toBe(true);
      expect(await lease.release()).toBe('released');
      const releasedMs = awakeMs();
      const granted = await next;
      expect(awakeMs() - releasedMs).toBeLessThan(limits.pollMsMax + 500);
      expect(await scene.work(granted)).toBe(true);
      expect(await granted.release()).toBe('released');
    }
    const crowd = scene.crowd([holder, waiter], 'job');
    await crowd.more(3);
    await crowd.stop();
    expect(crowd.failures).toEqual([]);
  });

  it.each([
    ['scripts', ['-@scripting'], /NOPERM.*ACL SETUSER/],
    ['writes', ['-@write'], /ACL SETUSER/],
  ])('who may not use %s is told so at once, and what to do', async (_what, rules, message) => {
    const locks = await holderAs('poor', '&*', '+@all', ...rules);
    const sinceMs = awakeMs();
    const error = await thrownBy(locks.acquire('job'));
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true, message: expect.stringMatching(message) });
    expect(awakeMs() - sinceMs).toBeLessThan(2_000);
  });
});
