import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Ask, Grant } from '../../src/core/backend.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { ask } from '../support/asks.js';
import { until } from '../support/waits.js';
import { openZooKeeper } from '../support/zookeeper-clients.js';
import { zookeeperIsMissing } from '../support/zookeeper-server.js';
import { OneServer, parent } from './one-server.js';

describe.skipIf(zookeeperIsMissing)('the store', () => {
  const scene = new OneServer();

  it('ends a hold that is not renewed after its TTL, although the session lives on', async () => {
    const other = ask('other');
    await scene.store.acquire(other);
    const short = ask('job', { ttlMs: 9_000 });
    // Of the same class of TTLs, hence in the same session.
    await scene.store.acquire({ ...short, ttlMs: 5_500 });
    const sinceMs = performance.now();
    await until(
      async () => (await scene.operator.children(parent)).every((child) => !child.startsWith('h')),
      'it is ended',
      9_000,
    );
    expect(performance.now() - sinceMs).toBeGreaterThan(5_000);
    expect(await scene.store.renew([other])).toEqual([{ outcome: 'renewed', ttlMs: 10_000 }]);
    expect(await scene.store.renew([short])).toEqual([{ outcome: 'gone' }]);
    await scene.store.release(other);
  });

  it('ends a hold of which nobody ever heard that it was granted', async () => {
    const proxy = await FaultProxy.start(scene.server.port);
    const behind = openZooKeeper(`127.0.0.1:${proxy.port}`);
    await behind.acquire(ask('warm-up'));
    const lost = proxy.once('/locks/job/hx-', 'lose-reply');
    await expect(behind.acquire(ask('job', { ttlMs: 5_500 }))).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await lost;
    const held = async () => (await scene.operator.children(parent)).some((child) => child.startsWith('h'));
    expect(await held()).toBe(true);
    await until(async () => !(await held()), 'it is ended', 12_000);
    await behind.close();
    await proxy.close();
  });

  it('a hold of a session that is about to end is taken over into the one that renews it, with its fences', async () => {
    const old = openZooKeeper(scene.server.address);
    const one = ask('job', { fences: 7 });
    const first = await old.acquire(one);
    const waiter = ask('job', { enqueue: true });
    expect((await scene.store.acquire(waiter)).outcome).toBe('refused');
    const other = openZooKeeper(scene.server.address);
    expect(await other.renew([one])).toMatchObject([{ outcome: 'renewed' }]);
    // The waiter hears that the node has gone, and is not granted what is held.
    await sleep(50);
    expect((await scene.store.acquire(waiter)).outcome).toBe('refused');
    await old.close();
    expect(await other.renew([one])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await other.acquire(one)).toMatchObject({ outcome: 'granted', fences: (first as Grant).fences });
    expect((await scene.store.acquire(waiter)).outcome).toBe('refused');
    expect(await other.release(one)).toBe('released');
    await until(async () => (await scene.store.acquire(waiter)).outcome === 'granted', 'the next one has its turn');
    await scene.store.release(waiter);
    await other.close();
  });

  it('takes a name whose nodes were half made, or made by hand', async () => {
    await scene.store.acquire(ask('warm-up'));
    await scene.operator.create(parent);
    const one = ask('job');
    expect((await scene.store.acquire(one)).outcome).toBe('granted');
    expect((await scene.store.acquire(ask('job'))).outcome).toBe('refused');
    expect(await scene.store.release(one)).toBe('released');
  });

  it('says what it cannot read', async () => {
    await scene.store.acquire(ask('warm-up'));
    await scene.operator.create(parent);
    await scene.operator.create(`${parent}/hx-${'a'.repeat(22)}`);
    await expect(scene.store.acquire(ask('job'))).rejects.toMatchObject({ code: 'BACKEND_CORRUPT' });
  });

  it('one call renews many, and a thousand paths fit into few requests', async () => {
    const asks = Array.from({ length: 300 }, (_, i) => ask(`${'x'.repeat(480)}${i}`));
    for (let i = 0; i < asks.length; i += 50) await Promise.all(asks.slice(i, i + 50).map((each) => scene.store.acquire(each)));
    await scene.store.release(asks[7] as Ask);
    const answers = await scene.store.renew(asks);
    expect(answers.map(({ outcome }) => outcome)).toEqual(asks.map((_, i) => (i === 7 ? 'gone' : 'renewed')));
    await Promise.all(asks.map((each) => scene.store.release(each)));
  });
});
