import assert from 'node:assert/strict';
import type { Backend } from '../../core/backend.js';
import type { LockName } from '../../core/name.js';
import { heldOf, topic } from './helpers.js';
import { type Scene, show } from './scene.js';

const nothing = { foreign: [], pauses: [], rivals: [] };

/** A store without `examine` has nothing to say, and that is what is asked for here. */
async function quiet(store: Backend, name: LockName, what: string): Promise<void> {
  if (store.examine === undefined) return;
  const seen = await store.examine(name);
  assert.deepEqual(seen, nothing, `nothing stands in the way of ${what}, the store answered ${show(seen)}`);
}

/** Somebody who is refused, and waits where the store can queue. */
async function refusedOnce(scene: Scene, name: LockName, store: Backend): Promise<() => Promise<void>> {
  const ask = scene.ask(name, { enqueue: true });
  assert.equal((await store.acquire(ask)).outcome, 'refused', 'a name that is held must be refused');
  return () => store.abandon(ask);
}

export const examine = topic('examine', {
  'says-nothing-of-a-free-name': async (scene) => {
    await quiet(scene.store, scene.name('never-used'), 'a name that nobody ever used');
    const ask = await scene.hold(scene.name('used'));
    await scene.store.release(heldOf(ask));
    await quiet(scene.store, ask.name, 'a name that was given back');
  },

  'says-nothing-of-a-held-name': async (scene) => {
    const other = await scene.open();
    const ask = await scene.hold(scene.name());
    await quiet(scene.store, ask.name, 'a name that is held here');
    await quiet(other, ask.name, 'a name that is held by another client');
    await scene.store.release(heldOf(ask));
  },

  'says-nothing-of-a-contended-name': async (scene) => {
    const other = await scene.open();
    const ask = await scene.hold(scene.name());
    const leave = [await refusedOnce(scene, ask.name, other), await refusedOnce(scene, ask.name, scene.store)];
    await quiet(scene.store, ask.name, 'a name that others wait for');
    for (const each of leave) await each();
    await scene.store.release(heldOf(ask));
  },

  'says-nothing-while-a-name-changes-hands': async (scene) => {
    const name = scene.name();
    const [a, b] = [await scene.holdfast(), await scene.holdfast()];
    const endMs = performance.now() + 1_500;
    const work = async (locks: typeof a) => {
      while (performance.now() < endMs) await locks.request(name.text, async () => {});
    };
    const look = async () => {
      while (performance.now() < endMs) await quiet(scene.store, name, 'a name that changes hands');
    };
    await Promise.all([work(a), work(b), look()]);
  },

  'changes-nothing': async (scene) => {
    const ask = await scene.hold(scene.name());
    const leave = await refusedOnce(scene, ask.name, scene.store);
    const who = async () => (await scene.records(ask.name)).map(({ state, ownerDigest, fence }) => [state, ownerDigest, fence]);
    const before = await who();
    await scene.store.examine?.(ask.name);
    assert.deepEqual(await who(), before);
    await leave();
    assert.equal(await scene.store.release(heldOf(ask)), 'released');
  },
});
