import { describe, expect, it } from 'vitest';
import { acquireScript } from '../../../src/backends/redis/scripts/acquire.js';
import { releaseScript } from '../../../src/backends/redis/scripts/release.js';
import { renewScript } from '../../../src/backends/redis/scripts/renew.js';
import { clients } from '../../support/redis-clients.js';
import { redisIsMissing } from '../../support/redis-server.js';
import { until } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing).each(Object.keys(clients))('a connection that is cut, through %s', (library) => {
  const scene = new Scene();

  it('in the middle of an ask, a renewal and a release: nothing of them was done, and they are sent again', async () => {
    const proxy = await scene.proxy();
    const locks = await scene.holder({ library, port: proxy.port, ttlMs: 4_000 });
    await (await locks.acquire('warm-up')).release();
    let cut = proxy.once(acquireScript.sha, 'cut');
    const lease = await locks.acquire('job');
    await cut;
    expect(await scene.work(lease)).toBe(true);
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    await proxy.once(renewScript.sha, 'cut');
    const before = renewed;
    await until(() => renewed > before + 1, 'renewals');
    expect(await scene.work(lease)).toBe(true);
    cut = proxy.once(releaseScript.sha, 'cut');
    expect(await lease.release()).toBe('released');
    await cut;
  });

  // A command that is written in the moment of a reset leaves node-redis 5 out of step with its replies; 6 has mended it.
  it.skipIf(library === 'node-redis 5')('again and again under a crowd: nobody loses a lease, and waiters go on', async () => {
    const proxy = await scene.proxy();
    const holders = [await scene.holder({ library, port: proxy.port }), await scene.holder({ library, port: proxy.port })];
    const crowds = [...holders, await scene.holder()].map((holder) => scene.crowd([holder], 'job'));
    for (let i = 0; i < 8; i++) {
      // Everyone has connected again since: some clients do not survive a second reset during their handshake.
      for (const crowd of crowds) await crowd.more(1);
      proxy.reset();
    }
    for (const crowd of crowds) await crowd.more(1);
    await Promise.all(crowds.map((crowd) => crowd.stop()));
    for (const crowd of crowds) expect(crowd.failures).toEqual([]);
    expect((await scene.sink.check()).refused).toBe(0);
  });
});
