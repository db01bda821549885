import assert from 'node:assert/strict';
import type { Ask, Backend, Renewal } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import { granted, heldOf, needing, refused, sleep, topic } from './helpers.js';
import type { Scene } from './scene.js';

const triesMax = 5;

/** In one batch. Unknown is neither yes nor no: a store may give it after a pause of the machine, and is asked again, as core does. */
async function renewAll(store: Backend, asks: readonly Ask[]): Promise<readonly Renewal['outcome'][]> {
  const outcomes: Renewal['outcome'][] = asks.map(() => 'unknown');
  for (let tries = 1; tries <= triesMax; tries++) {
    const open = [...outcomes.keys()].filter((i) => outcomes[i] === 'unknown');
    if (open.length === 0) break;
    const answers = await store.renew(open.map((i) => heldOf(asks[i] as Ask)));
    assert.equal(answers.length, open.length, 'one answer for each hold');
    for (const [n, i] of open.entries()) outcomes[i] = (answers[n] as Renewal).outcome;
  }
  return outcomes;
}

async function renewOne(store: Backend, ask: Ask): Promise<Renewal['outcome']> {
  const [outcome] = await renewAll(store, [ask]);
  return outcome as Renewal['outcome'];
}

/** A renewal of something that is not held: it is told so, and the name is as free as before. */
async function renewsNothing(scene: Scene, ask: Ask): Promise<void> {
  assert.equal(await renewOne(scene.store, ask), 'gone');
  assert.deepEqual(await scene.records(ask.name), [], 'a renewal must not create a hold');
  const next = await scene.hold(ask.name);
  await scene.store.release(heldOf(next));
}

/** Many free names, taken by asks of which a store is sent fifty at a time. */
async function holdMany(scene: Scene, count: number): Promise<Ask[]> {
  const asks = Array.from({ length: count }, (_, i) => scene.ask(scene.name(`many/${i}`)));
  for (let i = 0; i < count; i += 50) {
    const answers = await Promise.all(asks.slice(i, i + 50).map((ask) => scene.store.acquire(ask)));
    for (const answer of answers) granted(answer, 'a free name must be granted');
  }
  return asks;
}

export const renew = topic('renew', {
  'keeps-a-hold-beyond-its-ttl': async (scene) => {
    const name = scene.name();
    const other = await scene.open();
    const ask = await scene.hold(name, { ttlMs: scene.steadyMs });
    const endMs = performance.now() + scene.steadyMs * 2;
    while (performance.now() < endMs) {
      await sleep(scene.steadyMs / 6);
      assert.equal(await renewOne(scene.store, ask), 'renewed');
    }
    refused(await other.acquire(scene.ask(name)), 'a renewed hold must still exclude others');
    await scene.store.release(heldOf(ask));
  },

  'counts-renewals': async (scene) => {
    const ask = await scene.hold(scene.name());
    await renewOne(scene.store, ask);
    await renewOne(scene.store, ask);
    const [record] = await scene.holders(ask.name);
    assert.ok(record, 'the hold must be listed');
    // A store need not count them; one that does counts right.
    assert.equal(record.renewals ?? 2, 2);
    await scene.store.release(heldOf(ask));
  },

  'leaves-the-fence-alone': async (scene) => {
    const ask = await scene.hold(scene.name());
    const [before] = await scene.holders(ask.name);
    await renewOne(scene.store, ask);
    const [after] = await scene.holders(ask.name);
    assert.equal(after?.fence, before?.fence, 'a renewal mints no fence');
    await scene.store.release(heldOf(ask));
  },

  'never-granted-creates-nothing': async (scene) => {
    await renewsNothing(scene, scene.ask(scene.name()));
  },

  'released-creates-nothing': async (scene) => {
    const ask = await scene.hold(scene.name());
    await scene.store.release(heldOf(ask));
    await renewsNothing(scene, ask);
  },

  'expired-creates-nothing': async (scene) => {
    const ask = await scene.hold(scene.name(), { ttlMs: scene.shortMs });
    await scene.expiry(ask);
    await renewsNothing(scene, ask);
  },

  'abandoned-creates-nothing': async (scene) => {
    const ask = await scene.hold(scene.name());
    await scene.store.abandon(ask);
    await renewsNothing(scene, ask);
  },

  'stale-holder-cannot-renew': async (scene) => {
    const name = scene.name();
    const other = await scene.open();
    const stale = await scene.hold(name, { ttlMs: scene.shortMs });
    await scene.expiry(stale);
    const current = await scene.hold(name, {}, other);
    assert.equal(await renewOne(scene.store, stale), 'not-yours');
    assert.equal(await renewOne(other, current), 'renewed', 'the successor keeps its hold');
    await other.release(heldOf(current));
  },

  'one-batch-with-a-name-twice': async (scene) => {
    const name = scene.name();
    const expired = await scene.hold(name, { ttlMs: scene.shortMs });
    await scene.expiry(expired);
    const released = await scene.hold(name);
    await scene.store.release(heldOf(released));
    const current = await scene.hold(name);
    const stale = 'not-yours';
    assert.deepEqual(await renewAll(scene.store, [expired, released, current]), [stale, stale, 'renewed']);
    assert.deepEqual(await renewAll(scene.store, [current, released]), ['renewed', stale], 'whichever comes first');
    assert.equal((await scene.holders(name)).length, 1, 'the current hold stays, and no other comes back');
    assert.equal(await scene.store.release(heldOf(current)), 'released');
  },

  'waiting-is-not-holding': needing('queue').run(async (scene) => {
    const holder = await scene.hold(scene.name());
    const waiter = await scene.wait(holder.name);
    assert.equal(await renewOne(scene.store, waiter), 'not-yours');
    assert.equal((await scene.holders(holder.name)).length, 1);
    await scene.store.abandon(waiter);
    await scene.store.release(heldOf(holder));
  }),

  'empty-batch': async (scene) => {
    assert.deepEqual(await scene.store.renew([]), []);
  },

  'thousand-at-once-in-order': async (scene) => {
    const asks = await holdMany(scene, limits.renewBatchMax);
    const dropped = asks.filter((_, i) => i % 7 === 3);
    for (let i = 0; i < dropped.length; i += 50) {
      await Promise.all(dropped.slice(i, i + 50).map((ask) => scene.store.release(heldOf(ask))));
    }
    const expected = asks.map((_, i) => (i % 7 === 3 ? 'gone' : 'renewed'));
    assert.deepEqual(await renewAll(scene.store, asks), expected, 'one answer for each hold, in the order of the holds');
    for (let i = 0; i < asks.length; i += 50) {
      await Promise.all(asks.slice(i, i + 50).map((ask) => scene.store.release(heldOf(ask))));
    }
  },
});
