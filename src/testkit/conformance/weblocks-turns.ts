import assert from 'node:assert/strict';
import type { Holdfast } from '../../core/holdfast.js';
import { eventually, heldOf, lossOf, needing, rejection, sleep, topic } from './helpers.js';
import { gate } from './wrappers.js';

async function pendingCount(locks: Holdfast, name: string): Promise<number> {
  const { pending } = await locks.query(name);
  return pending.filter((record) => record.name === name).length;
}

/** The other half of the specification: whose turn it is, and who is told. */
export const weblocksTurns = topic('weblocks', {
  'one-at-a-time-in-order': async (scene) => {
    const locks = await scene.holdfast();
    const { text } = scene.name();
    const log: string[] = [];
    const turns = [1, 2, 3, 4, 5].map((i) =>
      locks.request(text, async () => {
        log.push(`${i} in`);
        await sleep(2);
        log.push(`${i} out`);
      }),
    );
    await Promise.all(turns);
    assert.deepEqual(
      log,
      [1, 2, 3, 4, 5].flatMap((i) => [`${i} in`, `${i} out`]),
    );
  },

  'steal-rejects-the-old-holder': async (scene) => {
    const [one, two] = [await scene.holdfast({ ttlMs: scene.steadyMs }), await scene.holdfast()];
    const { text } = scene.name();
    for (const thief of [one, two]) {
      const started = gate();
      const finish = gate();
      const turn = one.request(text, async () => {
        started.open();
        await finish.opened;
      });
      const failure = rejection(turn, 'a request whose lock was stolen must reject');
      await started.opened;
      await thief.request(text, { steal: true }, (lease) => assert.ok(lease));
      // Another instance hears of it with its next renewal. Neither waits for its callback.
      const error = (await failure) as DOMException;
      assert.equal(error.name, 'AbortError');
      assert.equal(lossOf(error.cause), 'stolen');
      finish.open();
    }
  },

  'steal-goes-before-whoever-waits': async (scene) => {
    const locks = await scene.holdfast();
    const { text } = scene.name();
    const order: string[] = [];
    const started = gate();
    const finish = gate();
    const robbed = rejection(
      locks.request(text, async () => {
        started.open();
        await finish.opened;
      }),
      'a request whose lock was stolen must reject',
    );
    await started.opened;
    const waiting = locks.request(text, () => void order.push('waiter'));
    await locks.request(text, { steal: true }, () => void order.push('thief'));
    finish.open();
    await Promise.all([robbed, waiting]);
    assert.deepEqual(order, ['thief', 'waiter']);
  },

  'abort-while-waiting-rejects-with-the-reason': async (scene) => {
    const holder = await scene.hold(scene.name());
    const locks = await scene.holdfast();
    const controller = new AbortController();
    const reason = { any: 'value' };
    const turn = locks.request(holder.name.text, { signal: controller.signal }, () => assert.fail('must not run'));
    const failure = rejection(turn, 'an aborted request must reject');
    await eventually(async () => assert.equal(await pendingCount(locks, holder.name.text), 1), scene.graceMs);
    controller.abort(reason);
    assert.equal(await failure, reason);
    await eventually(async () => assert.equal(await pendingCount(locks, holder.name.text), 0), scene.graceMs);
    await scene.store.release(heldOf(holder));
  },

  'abort-after-the-grant-has-no-effect': async (scene) => {
    const locks = await scene.holdfast();
    const controller = new AbortController();
    const result = await locks.request(scene.name().text, { signal: controller.signal }, async (lease) => {
      controller.abort();
      await sleep(20);
      lease?.assertHeld();
      return lease?.signal.aborted;
    });
    assert.equal(result, false);
  },

  'query-shows-who-holds-and-who-waits': async (scene) => {
    const [one, two] = [await scene.holdfast(), await scene.holdfast()];
    const { text } = scene.name();
    let waiting: Promise<unknown> = Promise.resolve();
    await one.request(text, async () => {
      waiting = one.request(text, () => {});
      const snapshot = await one.query(text);
      assert.deepEqual(Object.keys(snapshot).sort(), ['held', 'pending']);
      const [held, pending] = [snapshot.held[0], snapshot.pending[0]];
      assert.deepEqual([snapshot.held.length, snapshot.pending.length], [1, 1], 'it sees what its instance asked for before');
      assert.deepEqual([held?.name, held?.mode, typeof held?.clientId], [text, 'exclusive', 'string']);
      assert.deepEqual([pending?.name, pending?.mode, pending?.clientId], [text, 'exclusive', held?.clientId]);
      const elsewhere = await two.query(text);
      assert.deepEqual([elsewhere.held.length, elsewhere.held[0]?.clientId], [1, held?.clientId], 'it sees everyone’s');
    });
    await waiting;
    assert.deepEqual(await one.query(text), { held: [], pending: [] });
  },

  'readers-in-front-of-a-writer-run-together': needing('shared').run(async (scene) => {
    const locks = await scene.holdfast();
    const { text } = scene.name();
    const log: string[] = [];
    const both = gate();
    const read = (id: string) => async () => {
      log.push(id);
      if (log.length === 2) both.open();
      await both.opened;
    };
    await Promise.all([
      locks.request(text, { mode: 'shared' }, read('r1')),
      locks.request(text, { mode: 'shared' }, read('r2')),
      locks.request(text, () => void log.push('w')),
      locks.request(text, { mode: 'shared' }, () => void log.push('r3')),
    ]);
    assert.deepEqual(log, ['r1', 'r2', 'w', 'r3']);
  }),

  'different-names-do-not-wait': async (scene) => {
    const locks = await scene.holdfast();
    const inner = await locks.request(scene.name('outer').text, () => locks.request(scene.name('inner').text, () => 'reached'));
    assert.equal(inner, 'reached');
  },

  'exclusive-across-instances': async (scene) => {
    const instances = [await scene.holdfast(), await scene.holdfast(), await scene.holdfast()];
    const { text } = scene.name();
    let inside = 0;
    const work = async () => {
      inside += 1;
      assert.equal(inside, 1, 'two callbacks at once');
      await sleep(1);
      inside -= 1;
    };
    await Promise.all(instances.flatMap((locks) => Array.from({ length: 10 }, () => locks.request(text, work))));
  },

  'several-names-all-or-nothing': async (scene) => {
    const holder = await scene.hold(scene.name('b'));
    const locks = await scene.holdfast();
    const names = ['c', 'a', 'b'].map((ending) => scene.name(ending).text);
    await locks.requestAll(names, { ifAvailable: true }, (leases) => assert.equal(leases, null, 'one of them is taken'));
    for (const ending of ['a', 'c']) assert.deepEqual(await scene.records(scene.name(ending)), [], 'then none is kept');
    await scene.store.release(heldOf(holder));
    const seen = await locks.requestAll(names, (leases) => leases.map((lease) => lease.name));
    assert.deepEqual(seen, names, 'leases come in the order given');
  },
});
