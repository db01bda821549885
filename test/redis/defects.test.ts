import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { acquireScript } from '../../src/backends/redis/scripts/acquire.js';
import { renewScript } from '../../src/backends/redis/scripts/renew.js';
import { limits } from '../../src/core/limits.js';
import { ask, heldOf } from '../support/asks.js';
import { openRedis } from '../support/redis-clients.js';
import { redisIsMissing } from '../support/redis-server.js';
import { lossOf, until } from '../support/waits.js';
import { Scene } from './faults/scene.js';

// Defects that were reproduced in other libraries. Each of them has a test here by its own name, on a real server. Those of a
// quorum (a split vote that never settles, minority keys) have their place with the store that has one.

/** A call may take half of it, and the first one makes the connection. */
const shortMs = 3_000;

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

describe.skipIf(redisIsMissing)('defects of other libraries, none of them ours', () => {
  const scene = new Scene();
  afterEach(() => expect(unhandled.splice(0)).toEqual([]));

  const exists = async (key = 'holdfast:job') => (await scene.server.command('EXISTS', key)) === ':1\r\n';

  it('an acquire that returns a lock that has already expired', async () => {
    const proxy = await scene.proxy();
    const locks = await scene.holder({ port: proxy.port, ttlMs: 1_500 });
    await (await locks.acquire('warm-up')).release();
    // There and back takes longer than the lease is good for.
    proxy.latencyMs = 1_000;
    const acquiring = locks.acquire('job');
    await sleep(2_500);
    proxy.latencyMs = 0;
    const lease = await acquiring;
    expect(lease.remainingMs).toBeGreaterThan(0);
    expect(await scene.work(lease)).toBe(true);
    await lease.release();
  });

  it('loss that is signalled only when the reply to a renewal arrives', async () => {
    const proxy = await scene.proxy();
    const ttlMs = 800;
    const locks = await scene.holder({ port: proxy.port, ttlMs, unavailableMs: 200 });
    const lease = await locks.acquire('job');
    const lost = lossOf(locks);
    proxy.silence();
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(ttlMs + 400);
    proxy.speak();
    await lease.release();
  });

  it('a renewal loop that spins on a short TTL', async () => {
    const locks = await scene.holder({ ttlMs: limits.ttlMsMin });
    await scene.server.command('CONFIG', 'RESETSTAT');
    const lease = await locks.acquire('job').catch(() => undefined);
    await sleep(1_000);
    const stats = (await scene.server.lines('INFO', 'commandstats')).find((line) => line.startsWith('cmdstat_evalsha:'));
    const calls = Number(/calls=(\d+)/.exec(stats ?? '')?.[1]);
    // A third of 50 ms: 60 a second; a spinning loop makes thousands.
    expect(calls).toBeLessThan(150);
    await lease?.release();
  });

  it('one transient renewal error that gives the lease up, or kills the watchdog for good, in silence', async () => {
    const proxy = await scene.proxy();
    const locks = await scene.holder({ port: proxy.port, ttlMs: 3_000 });
    const lease = await locks.acquire('job');
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    for (const fault of ['cut', 'lose-reply', 'cut'] as const) {
      await proxy.once(renewScript.sha, fault);
      const before = renewed;
      await until(() => renewed > before + 1, 'renewals go on');
    }
    lease.assertHeld();
    expect(await lease.release()).toBe('released');
  });

  it('keys left behind after a failed acquire', async () => {
    const proxy = await scene.proxy();
    const locks = await scene.holder({ port: proxy.port, ttlMs: 10_000, unavailableMs: 100 });
    await (await locks.acquire('warm-up')).release();
    const swallowed = proxy.once(acquireScript.sha, 'swallow-replies');
    const refused = expect(locks.acquire('job', { waitMs: 200 })).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await swallowed;
    expect(await exists()).toBe(true);
    await refused;
    await until(async () => !(await exists()), 'the ask is withdrawn');
    proxy.speak();
  });

  it('timers that keep the process alive after the release', async () => {
    const worker = await scene.holderProcess('job', 60_000);
    worker.say('leave');
    expect(await worker.next()).toEqual({ left: true });
    await worker.exited;
    expect(worker.child.exitCode).toBe(0);
  });

  it('a question about a lock that is answered "free" when the store fails', async () => {
    const proxy = await scene.proxy();
    const locks = await scene.holder({ port: proxy.port, unavailableMs: 100, redis: { commandTimeoutMs: 200 } });
    const lease = await (await scene.holder()).acquire('job');
    proxy.silence();
    await expect(locks.inspect('job')).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await expect(locks.query()).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    proxy.speak();
    await lease.release();
  });

  it('a renewal error as an unhandled rejection', async () => {
    const proxy = await scene.proxy();
    const locks = await scene.holder({ port: proxy.port, ttlMs: 600, unavailableMs: 200 });
    await locks.acquire('job');
    const failed = new Promise((resolve) => locks.on('renewal-failed', resolve));
    const lost = lossOf(locks);
    proxy.silence();
    await failed;
    await lost;
    proxy.speak();
    await sleep(50);
    expect(unhandled).toEqual([]);
  });

  it('a stale holder with a higher fence than the live one', async () => {
    const store = await openRedis('ioredis 5', scene.server.url);
    const [stale, live] = [ask('job', { ttlMs: shortMs }), ask('job')];
    const first = await store.acquire(stale);
    await sleep(shortMs + 20);
    const second = await store.acquire(live);
    if (first.outcome !== 'granted' || second.outcome !== 'granted') throw new Error('both were to be granted');
    expect(second.fences.first).toBeGreaterThan(first.fences.last);
    // Asked again, the stale one is given no fence of today.
    expect(await store.acquire(stale)).toMatchObject({ outcome: 'refused' });
    await store.release(heldOf(live));
    await store.close();
  });

  it('a release in finally that hides the error of the work', async () => {
    const proxy = await scene.proxy();
    const locks = await scene.holder({ port: proxy.port, ttlMs: 800, unavailableMs: 100 });
    const working = locks.request('job', () => {
      proxy.silence();
      throw new Error('the work failed');
    });
    await expect(working).rejects.toThrow('the work failed');
    proxy.speak();
    await until(async () => !(await exists()), 'the lock is released, or ends');
  });

  it.each(['exclusive', 'shared'] as const)('a renewal that resurrects a released or lost lock (%s)', async (mode) => {
    const store = await openRedis('ioredis 5', scene.server.url);
    const released = ask('job', { mode });
    await store.acquire(released);
    await store.release(heldOf(released));
    expect(await store.renew([heldOf(released)])).toEqual([{ outcome: 'gone' }]);
    const lost = ask('job', { mode });
    await store.acquire(lost);
    await scene.server.command('FLUSHALL');
    expect(await store.renew([heldOf(lost)])).toEqual([{ outcome: 'gone' }]);
    expect(await exists()).toBe(false);
    await store.close();
  });

  it("a stale holder's release that frees the new holder's lock", async () => {
    const store = await openRedis('ioredis 5', scene.server.url);
    const [stale, live] = [ask('job', { ttlMs: shortMs }), ask('job')];
    await store.acquire(stale);
    await sleep(shortMs + 20);
    await store.acquire(live);
    expect(await store.release(heldOf(stale))).toBe('not-owner');
    await store.abandon(stale);
    expect(await store.renew([heldOf(live)])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await store.release(heldOf(live))).toBe('released');
    await store.close();
  });

  it('fence counters that leak, or restart at 1 after a restart', async () => {
    const locks = await scene.holder();
    const before = await locks.request('job', (lease) => lease.fence);
    const left = Number((await scene.server.command('PTTL', '{holdfast:job}:fence')).slice(1));
    expect(left).toBeGreaterThan(limits.ttlMsMax);
    await scene.server.kill();
    await scene.server.boot();
    expect(await exists('{holdfast:job}:fence')).toBe(false);
    expect(await locks.request('job', (lease) => lease.fence)).toBeGreaterThan(before);
  });
});
