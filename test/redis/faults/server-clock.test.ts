import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../../src/core/backend.js';
import { Holdfast } from '../../../src/core/holdfast.js';
import { limits } from '../../../src/core/limits.js';
import { ask, heldOf } from '../../support/asks.js';
import { openRedis } from '../../support/redis-clients.js';
import { assertKeyspaceClean } from '../../support/redis-keyspace.js';
import { RedisServer, redisIsMissing } from '../../support/redis-server.js';
import { gccIsMissing, SteppedClock } from '../../support/stepped-clock.js';
import { lossOf, until } from '../../support/waits.js';

const hourSeconds = 3_600;

describe.skipIf(redisIsMissing || gccIsMissing)("a step of the server's clock", () => {
  let clock: SteppedClock;
  let server: RedisServer;
  const open: { close(): Promise<void> }[] = [];
  const store = async (): Promise<Backend> => {
    const backend = await openRedis('ioredis 5', server.url);
    open.push(backend);
    return backend;
  };
  const holder = async (ttlMs = 6_000): Promise<Holdfast> => {
    const locks = new Holdfast(await openRedis('ioredis 5', server.url), { ttlMs });
    open.push(locks);
    return locks;
  };

  beforeAll(async () => {
    clock = new SteppedClock();
    server = await clock.run(() => RedisServer.start());
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
    clock.step(0);
    await assertKeyspaceClean(server);
    await server.command('FLUSHALL');
  });
  afterAll(async () => {
    await server.stop();
    clock.remove();
  });

  const serverSeconds = async () => Number((await server.command('TIME')).split('\r\n')[2]);

  it('really happens', async () => {
    for (const seconds of [hourSeconds, -hourSeconds]) {
      clock.step(seconds);
      expect(Math.abs((await serverSeconds()) - Date.now() / 1_000 - seconds)).toBeLessThan(60);
    }
  });

  it('an hour forward ends every hold: the holder is told "forgotten" by its next renewal, and fences rise', async () => {
    const locks = await holder();
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const lost = lossOf(locks);
    clock.step(hourSeconds);
    const next = await (await holder()).acquire('job');
    const second = next.fence;
    expect(second).toBeGreaterThan(fence);
    const { loss, afterMs } = await lost;
    expect(loss).toBe('forgotten');
    expect(afterMs).toBeLessThan(4_500);
    expect(await next.release()).toBe('released');
    // And back: the clock no longer keeps the order, the stored fence does.
    clock.step(0);
    const after = await (await holder()).acquire('job');
    expect(after.fence).toBeGreaterThan(second);
    await after.release();
  });

  it('an hour back ends no hold: it is renewed by the new clock, released, and fences rise', async () => {
    const locks = await holder();
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const waiting = (await holder()).acquire('job');
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    clock.step(-hourSeconds);
    await until(() => renewed >= 2, 'renewals');
    const left = Number((await server.command('PTTL', 'holdfast:job')).slice(1));
    expect(left).toBeLessThanOrEqual(6_000);
    lease.assertHeld();
    expect(await lease.release()).toBe('released');
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('an hour back: a dead waiter with its turn delays the others by one claim window, not by an hour', async () => {
    const backend = await store();
    const [first, dead, alive] = [ask('job'), ask('job', { enqueue: true }), ask('job', { enqueue: true })];
    for (const each of [first, dead, alive]) await backend.acquire(each);
    await backend.release(heldOf(first));
    expect(await backend.acquire(alive)).toMatchObject({ outcome: 'refused', because: 'queued' });
    clock.step(-hourSeconds);
    const sinceMs = performance.now();
    while ((await backend.acquire(alive)).outcome !== 'granted') {
      if (performance.now() - sinceMs > 3 * limits.claimMs) throw new Error('it waits for the dead one');
      await sleep(100);
    }
    expect(await backend.release(heldOf(alive))).toBe('released');
    await backend.abandon(dead);
  });
});
