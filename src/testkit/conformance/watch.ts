import assert from 'node:assert/strict';
import type { Ask, Backend } from '../../core/backend.js';
import { eventually, heldOf, needing, sleep, topic } from './helpers.js';
import type { Scene } from './scene.js';
import type { Faults } from './wrappers.js';

const withPush = needing('push');

/** One hold that ends while `store` has a waiter for it: the moment for which there is a push. */
async function endBeforeWaiter(scene: Scene, store: Backend, ends: (ask: Ask) => Promise<unknown>): Promise<void> {
  const holder = await scene.hold(scene.name());
  const waiter = await scene.wait(holder.name, {}, store);
  await ends(holder);
  await sleep(50);
  await store.abandon(waiter);
}

/** A subscription may take a moment, and a wake-up may be lost: a store that pushes succeeds within a few tries. */
async function endUntil(scene: Scene, store: Backend, ends: (ask: Ask) => Promise<unknown>, heard: () => boolean): Promise<void> {
  const endMs = performance.now() + scene.graceMs + 3_000;
  do await endBeforeWaiter(scene, store, ends);
  while (!heard() && performance.now() < endMs);
}

/** Whether another client hears of what ends a hold. */
async function wakesOn(scene: Scene, ends: (ask: Ask) => Promise<unknown>): Promise<void> {
  const other = await scene.open();
  let wakes = 0;
  const stop = other.watch(scene.name(), () => {
    wakes += 1;
  });
  await endUntil(scene, other, ends, () => wakes > 0);
  assert.ok(wakes > 0, 'traits.push is true, but nothing woke');
  stop();
}

export const watch = topic('watch', {
  'wakes-on-release': withPush.run((scene) => wakesOn(scene, (ask) => scene.store.release(heldOf(ask)))),

  'wakes-on-abandonment': withPush.run((scene) => wakesOn(scene, (ask) => scene.store.abandon(ask))),

  'wakes-on-revocation': withPush.run((scene) =>
    wakesOn(scene, (ask) => scene.store.revoke(ask.name, { kind: 'revoked', reason: 'a test', node: ask.node })),
  ),

  'stop-stops-only-itself': withPush.run(async (scene) => {
    const other = await scene.open();
    const name = scene.name();
    const wakes = [0, 0];
    const stops = wakes.map((_, i) =>
      other.watch(name, () => {
        wakes[i] = (wakes[i] ?? 0) + 1;
      }),
    );
    stops[0]?.();
    stops[0]?.();
    const release = (ask: Ask) => scene.store.release(heldOf(ask));
    await endUntil(scene, other, release, () => (wakes[1] ?? 0) > 0);
    assert.ok((wakes[1] ?? 0) > 0, 'the watcher that stays must still be woken');
    assert.equal(wakes[0], 0, 'a watcher that stopped must not be woken');
    stops[1]?.();
  }),

  'same-function-may-watch-twice': async (scene) => {
    const name = scene.name();
    const wake = () => {};
    const stops = [scene.store.watch(name, wake), scene.store.watch(name, wake), scene.store.watch(scene.name('other'), wake)];
    for (const stop of stops) stop();
  },

  'wake-up-storm-is-harmless': async (scene) => {
    const holder = await scene.hold(scene.name());
    let asks = 0;
    let wakeUp = () => {};
    const stormy: Faults = {
      acquire: (call, ask) => {
        asks += 1;
        return call(ask);
      },
      watch: (_name, wake) => {
        wakeUp = wake;
        return () => {};
      },
    };
    const locks = await scene.holdfast({}, stormy);
    const turn = locks.acquire(holder.name.text);
    await eventually(() => assert.ok(asks > 0), scene.graceMs);
    for (let i = 0; i < 1_000; i++) wakeUp();
    await sleep(100);
    assert.ok(asks < 100, `a thousand wake-ups at once made ${asks} asks`);
    await scene.store.release(heldOf(holder));
    wakeUp();
    const lease = await turn;
    for (let i = 0; i < 1_000; i++) wakeUp();
    lease.assertHeld();
    assert.equal((await scene.records(holder.name)).length, 1);
    await lease.release();
  },

  'lost-wake-up-costs-one-poll': async (scene) => {
    const holder = await scene.hold(scene.name());
    const locks = await scene.holdfast({}, { watch: () => () => {} });
    const turn = locks.acquire(holder.name.text);
    await sleep(50);
    await scene.store.release(heldOf(holder));
    const lease = await turn;
    await lease.release();
  },
});
