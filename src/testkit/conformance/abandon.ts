import assert from 'node:assert/strict';
import { eventually, granted, heldOf, needing, refused, rejection, sleep, topic, within } from './helpers.js';
import type { Scene } from './scene.js';
import { dropRequest, type Faults, type Gate, gate, holdReply, holdRequest } from './wrappers.js';

/** A request whose ask is on its way when the caller gives it up. */
async function giveUpMidway(scene: Scene, faults: Faults, opened: Gate): Promise<void> {
  const name = scene.name();
  const locks = await scene.holdfast({ callTimeoutMs: 1_000 }, faults);
  const controller = new AbortController();
  const reason = new Error('no longer wanted');
  let ran = false;
  const turn = locks.request(name.text, { signal: controller.signal }, () => {
    ran = true;
  });
  const failure = rejection(turn, 'a request that was given up must reject');
  await sleep(20);
  controller.abort(reason);
  assert.equal(await within(failure, 10_000, 'giving up'), reason, 'it rejects with the reason of its signal');
  await sleep(50);
  opened.open();
  await sleep(50);
  assert.equal(ran, false, 'the callback of a request that was given up must not run');
}

export const abandon = topic('abandon', {
  'ends-a-hold': async (scene) => {
    const other = await scene.open();
    const ask = await scene.hold(scene.name());
    await scene.store.abandon(ask);
    assert.deepEqual(await scene.records(ask.name), []);
    const next = await scene.hold(ask.name, {}, other);
    await other.release(heldOf(next));
  },

  'gives-up-a-place': needing('queue').run(async (scene) => {
    const holder = await scene.hold(scene.name());
    const waiter = await scene.wait(holder.name);
    assert.equal((await scene.waiters(holder.name)).length, 1);
    await scene.store.abandon(waiter);
    assert.equal((await scene.waiters(holder.name)).length, 0);
    await scene.store.release(heldOf(holder));
  }),

  'late-ask-is-refused': async (scene) => {
    const other = await scene.open();
    const ask = scene.ask(scene.name());
    await scene.store.abandon(ask);
    assert.equal(refused(await other.acquire(ask), 'an abandoned owner gets nothing').because, 'abandoned');
    assert.deepEqual(await scene.records(ask.name), []);
  },

  'late-ask-takes-no-place': async (scene) => {
    const holder = await scene.hold(scene.name());
    const ask = scene.ask(holder.name, { enqueue: true });
    await scene.store.abandon(ask);
    assert.equal(refused(await scene.store.acquire(ask), 'an abandoned owner gets nothing').because, 'abandoned');
    assert.equal((await scene.records(holder.name)).length, 1, 'an abandoned owner takes no place');
    await scene.store.release(heldOf(holder));
  },

  'after-a-hold-the-owner-stays-refused': async (scene) => {
    const ask = await scene.hold(scene.name());
    await scene.store.abandon(ask);
    assert.equal(refused(await scene.store.acquire(ask), 'an abandoned owner gets nothing').because, 'abandoned');
  },

  'outlasts-the-ttl': async (scene) => {
    const ask = scene.ask(scene.name(), { ttlMs: scene.shortMs });
    await scene.store.abandon(ask);
    await sleep(scene.shortMs * 1.5);
    assert.equal(refused(await scene.store.acquire(ask), 'an ask may be late by more than its TTL').because, 'abandoned');
  },

  'leaves-others-alone': async (scene) => {
    const holder = await scene.hold(scene.name());
    await scene.store.abandon(scene.ask(holder.name));
    const [renewal] = await scene.store.renew([heldOf(holder)]);
    assert.equal(renewal?.outcome, 'renewed');
    await scene.store.release(heldOf(holder));
  },

  'twice-is-once': async (scene) => {
    const ask = await scene.hold(scene.name());
    await scene.store.abandon(ask);
    const next = await scene.hold(ask.name);
    await scene.store.abandon(ask);
    assert.equal((await scene.holders(ask.name)).length, 1, 'a second abandon must not hurt whoever came after');
    await scene.store.release(heldOf(next));
  },

  'racing-its-ask-leaves-nothing': async (scene) => {
    const other = await scene.open();
    const asks = Array.from({ length: 40 }, (_, i) => scene.ask(scene.name(`race/${i}`), { enqueue: true }));
    await Promise.all(
      asks.flatMap((ask, i) => {
        const [first, second] = i % 2 === 0 ? [scene.store, other] : [other, scene.store];
        return i % 3 === 0 ? [first.abandon(ask), second.acquire(ask)] : [first.acquire(ask), second.abandon(ask)];
      }),
    );
    for (const ask of asks) assert.deepEqual(await scene.records(ask.name), [], 'in whatever order they arrive');
  },

  'next-in-line-need-not-wait-for-it': needing('queue').run(async (scene) => {
    const other = await scene.open();
    const holder = await scene.hold(scene.name());
    const quitter = await scene.wait(holder.name);
    const next = await scene.wait(holder.name, {}, other);
    await scene.store.abandon(quitter);
    await scene.store.release(heldOf(holder));
    granted(await other.acquire(next), 'the place of an abandoned ask is gone at once');
    await other.release(heldOf(next));
  }),

  'given-up-before-the-ask-arrives': async (scene) => {
    const late = gate();
    await giveUpMidway(scene, { acquire: holdRequest(late) }, late);
  },

  'given-up-before-the-answer-arrives': async (scene) => {
    const late = gate();
    await giveUpMidway(scene, { acquire: holdReply(late) }, late);
  },

  'given-up-and-never-answered': async (scene) => {
    await giveUpMidway(scene, { acquire: holdReply(gate()) }, gate());
  },

  'lost-withdrawal-is-sent-again': async (scene) => {
    const holder = await scene.hold(scene.name());
    const locks = await scene.holdfast({}, { abandon: dropRequest(2) });
    await rejection(locks.acquire(holder.name.text, { waitMs: 50 }), 'a wait that is over must reject');
    await eventually(async () => assert.deepEqual(await scene.waiters(holder.name), []), scene.graceMs);
    await scene.store.release(heldOf(holder));
  },

  'waited-too-long': async (scene) => {
    const holder = await scene.hold(scene.name());
    const locks = await scene.holdfast();
    const codeAfter = async (waitMs: number) => {
      const turn = locks.acquire(holder.name.text, { waitMs });
      return ((await rejection(turn, 'a wait that is over must reject')) as { code?: string }).code;
    };
    // A store that is busy may not have said by then that the name is held.
    let code = await codeAfter(100);
    if (code === 'OUTCOME_UNKNOWN') code = await codeAfter(5_000);
    assert.equal(code, 'TIMED_OUT');
    await scene.store.release(heldOf(holder));
  },
});
