import { describe, expect, it } from 'vitest';
import { abandonScript } from '../../../src/backends/redis/scripts/abandon.js';
import { acquireScript } from '../../../src/backends/redis/scripts/acquire.js';
import { releaseScript } from '../../../src/backends/redis/scripts/release.js';
import { renewScript } from '../../../src/backends/redis/scripts/renew.js';
import type { Holdfast } from '../../../src/core/holdfast.js';
import type { FaultProxy } from '../../../src/testkit/faults/proxy.js';
import { clients } from '../../support/redis-clients.js';
import { redisIsMissing } from '../../support/redis-server.js';
import { until } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing).each(Object.keys(clients))('a reply that is lost on the way, through %s', (library) => {
  const scene = new Scene();

  /** A holder behind a proxy, whose scripts the server knows. */
  const setUp = async (ttlMs: number, unavailableMs = 5_000): Promise<readonly [Holdfast, FaultProxy]> => {
    const proxy = await scene.proxy();
    const locks = await scene.holder({ library, port: proxy.port, ttlMs, unavailableMs });
    await (await locks.acquire('warm-up')).release();
    return [locks, proxy];
  };
  const lastFence = async () => BigInt((await scene.server.lines('GET', '{holdfast:job}:fence')).join('').split(' ')[0] ?? '');
  const holders = async () => (await scene.server.command('EXISTS', 'holdfast:job')).trim();

  it('of an ask: the same owner asks again, and is told the same grant', async () => {
    const [locks, proxy] = await setUp(10_000);
    const lost = proxy.once(acquireScript.sha, 'lose-reply');
    const lease = await locks.acquire('job');
    await lost;
    // No second grant was made.
    expect(await lastFence()).toBe(lease.fence);
    expect((await locks.query()).held).toHaveLength(1);
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
  });

  it('of an ask that is then given up: nothing is left', async () => {
    const [locks, proxy] = await setUp(1_000, 200);
    const lost = proxy.once(acquireScript.sha, 'swallow-replies');
    const refused = expect(locks.acquire('job')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await lost;
    expect(await holders()).toBe(':1');
    await refused;
    // The withdrawal arrives, although no reply to it does.
    await until(async () => (await holders()) === ':0', 'the ask is withdrawn');
    proxy.speak();
    const next = await locks.acquire('job');
    await next.release();
  });

  it('of a release: it is settled by asking again', async () => {
    const [locks, proxy] = await setUp(10_000);
    const lease = await locks.acquire('job');
    const lost = proxy.once(releaseScript.sha, 'lose-reply');
    // The second copy finds nothing.
    expect(await lease.release()).toBe('absent');
    await lost;
    expect(await holders()).toBe(':0');
  });

  it('of a release, and no other comes: "unknown", and the next holder need not wait', async () => {
    const [locks, proxy] = await setUp(600);
    const lease = await locks.acquire('job');
    const lost = proxy.once(releaseScript.sha, 'swallow-replies');
    const outcome = lease.release();
    await lost;
    const next = await (await scene.holder()).acquire('job', { waitMs: 0 });
    expect(await outcome).toBe('unknown');
    proxy.speak();
    // What is sent again in the background does not end another's hold.
    await new Promise((resolve) => setTimeout(resolve, 300));
    next.assertHeld();
    expect(await next.release()).toBe('released');
  });

  it('of a renewal: the lease goes on', async () => {
    const [locks, proxy] = await setUp(4_000);
    const lease = await locks.acquire('job');
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    await proxy.once(renewScript.sha, 'lose-reply');
    const before = renewed;
    await until(() => renewed > before + 1, 'renewals');
    expect(await lease.release()).toBe('released');
  });

  it('of a withdrawal: it is sent again, and nothing is left', async () => {
    const [locks, proxy] = await setUp(10_000);
    const other = await (await scene.holder()).acquire('job');
    // Its script is known to the server from here on.
    await expect(locks.acquire('job', { waitMs: 500 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await until(async () => (await scene.server.command('EXISTS', '{holdfast:job}:who')) === ':0\r\n', 'no place is left');
    const lost = proxy.once(abandonScript.sha, 'lose-reply');
    await expect(locks.acquire('job', { waitMs: 500 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await lost;
    await until(async () => (await scene.server.command('EXISTS', '{holdfast:job}:who')) === ':0\r\n', 'no place is left');
    expect(await other.release()).toBe('released');
  });
});
