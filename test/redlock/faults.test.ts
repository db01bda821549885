import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { Holdfast } from '../../src/core/holdfast.js';
import { ask, heldOf } from '../support/asks.js';
import { redisIsMissing } from '../support/redis-server.js';
import { awakeMs, thrownBy, until } from '../support/waits.js';
import { granted, Scene } from './support.js';
import { standStill } from '../support/stand-still.js';

describe.skipIf(redisIsMissing)('five nodes, some of them away', () => {
  const scene = new Scene(5);
  const kill = (...indexes: readonly number[]) => Promise.all(indexes.map((index) => scene.nodes.server(index).kill()));

  for (const library of ['ioredis 5', 'node-redis 5']) {
    it(`work without one, and without two: ${library}`, async () => {
      const locks = await scene.holder({ store: { library }, ttlMs: 3_000 });
      const before = await locks.acquire('before');
      // Of one name: those of two are in no order.
      let last = 0n;
      for (const index of [4, 1]) {
        await kill(index);
        for (let i = 0; i < 10; i++) {
          await locks.request('a', async (lease) => {
            expect(lease.fence).toBeGreaterThan(last);
            last = lease.fence;
          });
        }
      }
      // Held since all of them were there, and renewed by those that are left.
      const renewed = new Promise((resolve) => locks.on('renewed', resolve));
      await renewed;
      before.assertHeld();
      await before.release();
    });
  }

  it('refuse without three of them, and say what each said', async () => {
    const store = await scene.store();
    await kill(0, 2, 4);
    const sinceMs = awakeMs();
    const error = await thrownBy(store.acquire(ask('a')));
    // The half of the TTL is what core gives it.
    expect(awakeMs() - sinceMs).toBeLessThan(5_000);
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', lock: 'a', permanent: false });
    for (const port of scene.nodes.ports) expect((error as Error).message).toContain(`127.0.0.1:${port}`);
    expect((error as Error).message).toMatch(/^no 3 of 5 nodes granted "a": .*see that a majority is up and reachable$/);
    // Whoever goes on asking is granted when they are back.
    const locks = new Holdfast(store);
    const waiting = locks.acquire('a');
    await Promise.all([0, 2, 4].map((index) => scene.nodes.server(index).boot()));
    await (await waiting).release();
    await locks.close();
  });

  it('tell a holder whose majority is gone, by its deadline', async () => {
    await scene.store();
    const locks = await scene.holder({ ttlMs: 1_000, store: { newNodes: 'wait' } });
    const lease = await locks.acquire('a');
    const lost = new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    await kill(0, 1, 2);
    await lost;
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST' });
    await lease.release();
  });

  it('tell who holds a name without waiting for one that stands still', async () => {
    const [store, looking] = [await scene.store(), await scene.store()];
    const one = ask('a');
    await granted(store, one);
    // The votes that it did not wait for.
    await until(async () => !(await scene.holding('a')).includes(false), 'all nodes have it');
    const { pid } = scene.nodes.server(3);
    standStill(pid);
    try {
      // Less than a node is given for what no lease depends on.
      const locks = new Holdfast(looking, { callTimeoutMs: 1_500 });
      expect((await locks.inspect('a')).held).toMatchObject([{ name: 'a', state: 'held' }]);
      expect((await locks.inspect('b')).held).toEqual([]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect(await store.release(heldOf(one))).toBe('released');
  });

  it('answer without one that stands still, which is then skipped', async () => {
    const store = await scene.store();
    const { pid } = scene.nodes.server(3);
    standStill(pid);
    try {
      // Long enough for it to be called silent, and to be skipped from then on.
      for (const endMs = performance.now() + 700; performance.now() < endMs; ) {
        const one = ask('a');
        await granted(store, one);
        expect(await store.release(heldOf(one))).toBe('released');
      }
      // What it was asked before arrives when it goes on, and so does this release, of which it is told later.
      const last = ask('b');
      await granted(store, last);
      expect(await store.release(heldOf(last))).toBe('released');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    for (const name of ['a', 'b']) {
      await until(async () => !(await scene.holding(name)).includes(true), 'the one that stood still is told, too');
    }
  });

  it('are not called dead because this process stood still', async () => {
    const store = await scene.store();
    const one = ask('a');
    const answer = store.acquire(one);
    // The requests are out, the answers come while nobody looks.
    await Promise.resolve();
    for (const endMs = performance.now() + 600; performance.now() < endMs; );
    await expect(answer).resolves.toMatchObject({ outcome: 'granted' });
    await store.release(heldOf(one));
  });
});

describe.skipIf(redisIsMissing)('three nodes, one of them a straggler', () => {
  const scene = new Scene(3);

  it('is asked again after a while, and then forgiven', async () => {
    const proxy = await scene.proxy(0);
    const store = await scene.store({ through: { 0: proxy } });
    proxy.silence();
    const [first, second] = [ask('a'), ask('b')];
    await granted(store, first);
    await until(async () => (await store.acquire(second)).outcome === 'granted', 'two are enough');
    proxy.speak();
    await until(async () => {
      const one = ask('c');
      await granted(store, one);
      const all = (await scene.holding('c')).every((held) => held);
      await store.release(heldOf(one));
      return all;
    }, 'it votes again');
    for (const one of [first, second]) await store.release(heldOf(one));
  });
});
