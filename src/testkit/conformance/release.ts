import assert from 'node:assert/strict';
import { granted, heldOf, needing, topic } from './helpers.js';

export const release = topic('release', {
  'released-once-then-absent': async (scene) => {
    const ask = await scene.hold(scene.name());
    assert.equal(await scene.store.release(heldOf(ask)), 'released');
    assert.equal(await scene.store.release(heldOf(ask)), 'absent');
  },

  'never-granted-is-absent': async (scene) => {
    const ask = scene.ask(scene.name());
    assert.equal(await scene.store.release(heldOf(ask)), 'absent');
  },

  'expired-is-absent-and-no-throw': async (scene) => {
    const ask = await scene.hold(scene.name(), { ttlMs: scene.shortMs });
    await scene.expiry(ask);
    assert.equal(await scene.store.release(heldOf(ask)), 'absent');
  },

  'stale-holder-cannot-release': async (scene) => {
    const name = scene.name();
    const other = await scene.open();
    const stale = await scene.hold(name, { ttlMs: scene.shortMs });
    await scene.expiry(stale);
    const current = await scene.hold(name, {}, other);
    assert.equal(await scene.store.release(heldOf(stale)), 'not-owner');
    assert.equal((await scene.holders(name)).length, 1, 'the release of a stale holder must not free its successor');
    assert.equal(await other.release(heldOf(current)), 'released');
  },

  'stranger-cannot-release': async (scene) => {
    const name = scene.name();
    const holder = await scene.hold(name);
    assert.equal(await scene.store.release(heldOf(scene.ask(name))), 'not-owner');
    const [renewal] = await scene.store.renew([heldOf(holder)]);
    assert.equal(renewal?.outcome, 'renewed', 'the release of a stranger must not touch the hold');
    assert.equal(await scene.store.release(heldOf(holder)), 'released');
  },

  'any-client-may-release-with-the-owner': async (scene) => {
    const ask = await scene.hold(scene.name());
    const other = await scene.open();
    assert.equal(await other.release(heldOf(ask)), 'released');
  },

  'frees-at-once': async (scene) => {
    const name = scene.name();
    const other = await scene.open();
    const first = await scene.hold(name);
    await scene.store.release(heldOf(first));
    const next = scene.ask(name);
    granted(await other.acquire(next), 'a released lock is free at once');
    await other.release(heldOf(next));
  },

  'one-name-only': async (scene) => {
    const [one, two] = [await scene.hold(scene.name('one')), await scene.hold(scene.name('one/two'))];
    await scene.store.release(heldOf(one));
    assert.equal((await scene.holders(two.name)).length, 1, 'another name must stay held');
    await scene.store.release(heldOf(two));
  },

  'concurrent-releases-of-one-hold-release-once': async (scene) => {
    const other = await scene.open();
    const ask = await scene.hold(scene.name());
    const stores = [scene.store, other, scene.store, other];
    const outcomes = await Promise.all(stores.map((store) => store.release(heldOf(ask))));
    assert.deepEqual(outcomes.sort(), ['absent', 'absent', 'absent', 'released']);
  },

  'one-of-two-shared': needing('shared').run(async (scene) => {
    const name = scene.name();
    const [one, two] = [await scene.hold(name, { mode: 'shared' }), await scene.hold(name, { mode: 'shared' })];
    assert.equal(await scene.store.release(heldOf(one)), 'released');
    assert.equal(await scene.store.release(heldOf(one)), 'not-owner');
    assert.equal((await scene.holders(name)).length, 1, 'the other reader keeps its hold');
    assert.equal(await scene.store.release(heldOf(two)), 'released');
  }),
});
