import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.js';
import { ask, heldOf } from '../../support/asks.js';
import { postgresIsMissing } from '../../support/postgres-server.js';
import { gccIsMissing, SteppedClock } from '../../support/stepped-clock.js';
import { lossOf, until } from '../../support/waits.js';
import { Scene } from '../scene.js';

const hourSeconds = 3_600;

describe.skipIf(postgresIsMissing || gccIsMissing)("a step of the server's clock", () => {
  let clock: SteppedClock;
  let uninstall = () => {};
  beforeAll(() => {
    clock = new SteppedClock();
    uninstall = clock.install();
  });
  const scene = new Scene();
  beforeAll(() => uninstall());
  afterEach(() => clock.step(0));
  afterAll(() => clock.remove());

  it('really happens', async () => {
    for (const seconds of [hourSeconds, -hourSeconds]) {
      clock.step(seconds);
      const serverSeconds = Number(await scene.server.value('SELECT extract(epoch FROM clock_timestamp())'));
      expect(Math.abs(serverSeconds - Date.now() / 1_000 - seconds)).toBeLessThan(60);
    }
  });

  it('an hour forward ends every hold: the holder is told "forgotten" by its next renewal, and fences rise, also when it is set back', async () => {
    const locks = scene.holder({ ttlMs: 6_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    expect(await scene.work(lease)).toBe(true);
    const lost = lossOf(locks);
    clock.step(hourSeconds);
    const next = await scene.holder({ ttlMs: 6_000 }).acquire('job');
    const { fence: second } = next;
    expect(second).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    // As the page says: until its next renewal the first one believes in its lease, and the sink knows better.
    expect(scene.lateWrite(lease, fence)).toBe(false);
    const { loss, afterMs } = await lost;
    expect(loss).toBe('forgotten');
    expect(afterMs).toBeLessThan(4_500);
    expect(await next.release()).toBe('released');
    // The clock no longer keeps the order, the row does.
    clock.step(0);
    const after = await scene.holder().acquire('job');
    expect(after.fence).toBeGreaterThan(second);
    await after.release();
  });

  it('an hour back ends no hold: it is renewed by the new clock, released, its waiter is served, and fences rise', async () => {
    const locks = scene.holder({ ttlMs: 6_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const waiting = scene.holder().acquire('job');
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    clock.step(-hourSeconds);
    await until(() => renewed >= 2, 'renewals');
    const left = await scene.server.value(
      "SELECT extract(epoch FROM expires - clock_timestamp()) FROM holdfast.leases WHERE name = 'job'",
    );
    expect(Number(left)).toBeLessThanOrEqual(6);
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('an hour back: a dead waiter with its turn delays the others by one claim window, not by an hour', async () => {
    const store = scene.backend();
    const [first, dead, alive] = [ask('job'), ask('job', { enqueue: true }), ask('job', { enqueue: true })];
    for (const each of [first, dead, alive]) await store.acquire(each);
    await store.release(heldOf(first));
    expect(await store.acquire(alive)).toMatchObject({ outcome: 'refused', because: 'queued' });
    clock.step(-hourSeconds);
    const sinceMs = performance.now();
    await until(
      async () => (await store.acquire(alive)).outcome === 'granted',
      'it does not wait for the dead one',
      limits.claimMs * 3,
    );
    expect(performance.now() - sinceMs).toBeGreaterThan(limits.claimMs / 2);
    expect(await store.release(heldOf(alive))).toBe('released');
    await store.abandon(dead);
  });

  it('under a crowd: nobody writes between the writes of another turn, and all go on', async () => {
    const crowd = scene.crowd([scene.holder(), scene.holder({ library: 'postgres' }), scene.holder()], 'job');
    for (const seconds of [0, 30, -30, 5, 0]) {
      clock.step(seconds);
      await crowd.more(5);
    }
    await crowd.stop();
  });
});
