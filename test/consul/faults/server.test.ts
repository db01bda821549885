import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { consulIsMissing } from '../../support/consul-server.js';
import { awakeMs, graceMs, lossOf, renewalsOf, Scene, thrownBy, until } from '../scene.js';

describe.skipIf(consulIsMissing)('one server that keeps its data', () => {
  const scene = new Scene(1, { keepsData: true });

  it('is killed and started again: the holder keeps its lease, and fences rise', async () => {
    const locks = scene.holder({ ttlMs: 30_000, unavailableMs: 20_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const waiting = scene.holder({ unavailableMs: 20_000 }).acquire('job');
    await scene.server.kill();
    expect(await thrownBy(scene.holder({ unavailableMs: 300 }).acquire('job'))).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    scene.server.launch();
    await scene.server.ready();
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('stands still: the holder is told by its deadline, and the next one is granted after it', async () => {
    const ttlMs = 2_000;
    const locks = scene.holder({ ttlMs });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    const waiting = scene.holder({ ttlMs, unavailableMs: 20_000 }).acquire('job', { waitMs: 30_000 });
    await until(async () => (await locks.query()).pending.length === 1, 'somebody waits');
    const lost = lossOf(locks);
    scene.server.signal('SIGSTOP');
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(ttlMs + 300);
    scene.server.signal('SIGCONT');
    const beganMs = awakeMs();
    const next = await waiting;
    // It counts from what it sees now.
    expect(awakeMs() - beganMs).toBeLessThan(ttlMs + graceMs);
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    expect(scene.lateWrite(lease, fence)).toBe(false);
    await next.release();
  });

  it('a restart does not end a session, and a pause shorter than the TTL costs nothing', async () => {
    const locks = scene.holder({ ttlMs: 6_000 });
    const lease = await locks.acquire('job');
    const renewals = renewalsOf(locks);
    scene.server.signal('SIGSTOP');
    await sleep(1_500);
    scene.server.signal('SIGCONT');
    const before = renewals();
    await until(() => renewals() > before, 'renewals go on');
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
  });
});

/** Indexes start again with the data; fences must not. */
describe.skipIf(consulIsMissing)('a server that lost its data', () => {
  const scene = new Scene();
  const taken = async (locks: ReturnType<Scene['holder']>) => {
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    await lease.release();
    return fence;
  };

  it('the holder is told at its next renewal, fences rise for those who were there and for those who come', async () => {
    const locks = scene.holder({ ttlMs: 6_000 });
    let last = 0n;
    for (let i = 0; i < 20; i++) last = await taken(locks);
    const lease = await locks.acquire('held');
    const lost = lossOf(locks);
    await scene.server.forget();
    expect((await lost).loss).toBe('forgotten');
    expect(await lease.release()).toBe('absent');
    expect(await taken(locks)).toBeGreaterThan(last);
    expect(await taken(scene.holder())).toBeGreaterThan(last);
  });

  it('a process that saw little of it, and comes when others have made it their own', async () => {
    const idle = scene.holder();
    await scene.server.forget();
    await taken(idle);
    const busy = scene.holder();
    let last = 0n;
    for (let i = 0; i < 100; i++) last = await taken(busy);
    await scene.server.forget();
    // Indexes are the same as in the lost one, and by now higher than the first process knows.
    const fresh = scene.holder();
    for (let i = 0; i < 10; i++) last = await taken(fresh);
    expect(await taken(idle)).toBeGreaterThan(last);
  });

  it('one that is given back older data under the same epoch: whoever was there sees that indexes went back', async () => {
    const locks = scene.holder();
    let last = 0n;
    for (let i = 0; i < 200; i++) last = await taken(locks);
    const epoch = await scene.server.http('GET', '/v1/kv/holdfast/epoch?raw');
    await scene.server.forget();
    await scene.server.http('PUT', '/v1/kv/holdfast/epoch', epoch);
    await scene.server.http('PUT', `/v1/kv/holdfast/epoch/${JSON.parse(epoch).epoch}`, '');
    expect(await taken(locks)).toBeGreaterThan(last);
    expect(await taken(scene.holder())).toBeGreaterThan(last);
  });
});
