import assert from 'node:assert/strict';
import type { Ask, Backend } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import { eventually, granted, heldOf, needing, refused, rejection, sleep, topic } from './helpers.js';
import type { Scene } from './scene.js';

const queued = needing('queue');

interface Line {
  readonly holder: Ask;
  readonly waiters: readonly { readonly ask: Ask; readonly store: Backend }[];
}

/** One holder, and `count` waiters behind it who come in order through three clients. */
async function line(scene: Scene, count: number): Promise<Line> {
  const stores = [scene.store, await scene.open(), await scene.open()];
  const holder = await scene.hold(scene.name());
  const waiters: { ask: Ask; store: Backend }[] = [];
  for (let i = 0; i < count; i++) {
    const store = stores[i % 3] as Backend;
    waiters.push({ store, ask: await scene.wait(holder.name, {}, store) });
  }
  return { holder, waiters };
}

/** Asks again as a waiter would, until it is granted. */
function turnOf({ ask, store }: Line['waiters'][number], withinMs: number, why: string): Promise<void> {
  return eventually(async () => void granted(await store.acquire(ask), why), withinMs);
}

export const queue = topic('queue', {
  'first-come-first-served-across-clients': queued.run(async (scene) => {
    const { holder, waiters } = await line(scene, 6);
    await scene.store.release(heldOf(holder));
    for (const [i, next] of waiters.entries()) {
      // The impatient ones behind ask first, and get nothing.
      for (const { ask, store } of waiters.slice(i + 1).reverse()) {
        refused(await store.acquire(ask), 'a waiter must not be served before those in front of it');
      }
      await turnOf(next, scene.graceMs, 'the head of the queue has its turn');
      await next.store.release(heldOf(next.ask));
    }
  }),

  'asking-again-keeps-the-place': queued.run(async (scene) => {
    const { holder, waiters } = await line(scene, 3);
    for (let round = 0; round < 3; round++) for (const { ask, store } of [...waiters].reverse()) await store.acquire(ask);
    const digests = (await scene.waiters(holder.name)).map((record) => record.ownerDigest);
    assert.deepEqual(
      digests,
      waiters.map(({ ask }) => ownerDigest(ask.owner)),
      'list() and read() show waiters in queue order',
    );
    for (const { ask, store } of waiters) await store.abandon(ask);
    await scene.store.release(heldOf(holder));
  }),

  'says-how-many-are-ahead': queued.run(async (scene) => {
    const { holder, waiters } = await line(scene, 4);
    for (const [i, { ask, store }] of waiters.entries()) {
      assert.equal(refused(await store.acquire(ask), 'still held').ahead, i);
    }
    for (const { ask, store } of waiters) await store.abandon(ask);
    await scene.store.release(heldOf(holder));
  }),

  'newcomer-cannot-overtake': queued.run(async (scene) => {
    const { holder, waiters } = await line(scene, 1);
    const [first] = waiters as [Line['waiters'][number]];
    await scene.store.release(heldOf(holder));
    refused(await scene.store.acquire(scene.ask(holder.name)), 'a free name belongs to the head of its queue first');
    granted(await first.store.acquire(first.ask), 'the head of the queue has its turn');
    await first.store.release(heldOf(first.ask));
  }),

  'expiry-serves-the-head': queued.run(async (scene) => {
    const holder = await scene.hold(scene.name(), { ttlMs: scene.shortMs });
    const [first, second] = [await scene.wait(holder.name), await scene.wait(holder.name)];
    const place = { ask: first, store: scene.store };
    await turnOf(place, scene.shortMs + scene.graceMs, 'a vanished holder costs the head no more than the TTL');
    refused(await scene.store.acquire(second), 'one at a time');
    await scene.store.abandon(second);
    await scene.store.release(heldOf(first));
  }),

  'dead-waiters-cost-a-claim-window-each': queued.run(async (scene) => {
    const { holder, waiters } = await line(scene, 3);
    const last = waiters[2] as Line['waiters'][number];
    await scene.store.release(heldOf(holder));
    // The first two never ask again.
    await turnOf(last, 2 * limits.claimMs + scene.graceMs, 'a dead waiter costs the others one claim window');
    await last.store.release(heldOf(last.ask));
    for (const { ask, store } of waiters) await store.abandon(ask);
  }),

  'dead-waiter-loses-its-place': queued.run(async (scene) => {
    const { holder, waiters } = await line(scene, 2);
    const alive = waiters[1] as Line['waiters'][number];
    const gone = async () => {
      refused(await alive.store.acquire(alive.ask), 'still held');
      const digests = (await scene.waiters(holder.name)).map((record) => record.ownerDigest);
      assert.deepEqual(digests, [ownerDigest(alive.ask.owner)], 'a place that was not asked for again is forgotten');
    };
    await eventually(gone, limits.placeMs + limits.claimMs + scene.graceMs, 250);
    await alive.store.abandon(alive.ask);
    await scene.store.release(heldOf(holder));
  }),

  'aborted-waiter-frees-its-place': queued.run(async (scene) => {
    const holder = await scene.hold(scene.name());
    const [one, two] = [await scene.holdfast(), await scene.holdfast()];
    const controller = new AbortController();
    const quitter = rejection(one.acquire(holder.name.text, { signal: controller.signal }), 'aborted');
    await eventually(async () => assert.equal((await scene.waiters(holder.name)).length, 1), scene.graceMs);
    const next = two.acquire(holder.name.text);
    await eventually(async () => assert.equal((await scene.waiters(holder.name)).length, 2), scene.graceMs);
    controller.abort(new Error('no longer wanted'));
    await quitter;
    await eventually(async () => assert.equal((await scene.waiters(holder.name)).length, 1), scene.graceMs);
    await scene.store.release(heldOf(holder));
    await (await next).release();
  }),

  'instances-take-turns-in-order': queued.run(async (scene) => {
    const holder = await scene.hold(scene.name());
    const order: number[] = [];
    const turns: Promise<unknown>[] = [];
    for (let i = 0; i < 4; i++) {
      const locks = await scene.holdfast();
      turns.push(locks.request(holder.name.text, () => void order.push(i)));
      await eventually(async () => assert.equal((await scene.waiters(holder.name)).length, i + 1), scene.graceMs);
    }
    await sleep(20);
    await scene.store.release(heldOf(holder));
    await Promise.all(turns);
    assert.deepEqual(order, [0, 1, 2, 3]);
  }),
});
