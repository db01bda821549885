import assert from 'node:assert/strict';
import type { Holdfast } from '../../core/holdfast.js';
import { eventually, heldOf, lossOf, needing, rejection, sleep, topic } from './helpers.js';
import { gate } from './wrappers.js';

/** Options in pairs of mistakes: the earlier step of the specification decides (w3.org/TR/web-locks, 4.1). */
const mistakes: readonly (readonly [what: string, name: string, options: object, error: string])[] = [
  ['a name with a leading dash', '-x', {}, 'NotSupportedError'],
  ['steal and ifAvailable', 'x', { steal: true, ifAvailable: true }, 'NotSupportedError'],
  ['steal of a shared lock', 'x', { steal: true, mode: 'shared' }, 'NotSupportedError'],
  ['signal and steal', 'x', { steal: true, signal: new AbortController().signal }, 'NotSupportedError'],
  ['signal and ifAvailable', 'x', { ifAvailable: true, signal: new AbortController().signal }, 'NotSupportedError'],
  ['an unknown mode', 'x', { mode: 'bogus' }, 'TypeError'],
  ['a signal that is none', 'x', { signal: {} }, 'TypeError'],
  ['an unknown mode before a leading dash', '-x', { mode: 'bogus' }, 'TypeError'],
  ['a signal that is none before steal and ifAvailable', 'x', { signal: 1, steal: true, ifAvailable: true }, 'TypeError'],
  ['a leading dash before an aborted signal', '-x', { signal: AbortSignal.abort(new Error('later')) }, 'NotSupportedError'],
  ['steal and signal before an aborted signal', 'x', { steal: true, signal: AbortSignal.abort() }, 'NotSupportedError'],
  ['an aborted signal without a reason', 'x', { signal: AbortSignal.abort() }, 'AbortError'],
];

async function pendingCount(locks: Holdfast, name: string): Promise<number> {
  const { pending } = await locks.query(name);
  return pending.filter((record) => record.name === name).length;
}

export const weblocks = topic('weblocks', {
  'arguments-are-checked-in-the-order-of-the-specification': async (scene) => {
    const locks = await scene.holdfast();
    for (const [what, name, options, expected] of mistakes) {
      const turn = locks.request(name, options, () => assert.fail(`the callback ran despite ${what}`));
      assert.equal(((await rejection(turn, `${what} must reject`)) as Error).name, expected, what);
    }
    const reason = new Error('before it began');
    const turn = locks.request(scene.name().text, { signal: AbortSignal.abort(reason) }, () => {});
    assert.equal(await rejection(turn, 'an aborted signal must reject'), reason);
  },

  'callback-is-required': async (scene) => {
    const locks = await scene.holdfast();
    const turn = (locks.request as (...args: unknown[]) => Promise<unknown>).call(locks, scene.name().text, {});
    assert.ok((await rejection(turn, 'a request without a callback must reject')) instanceof TypeError);
  },

  'lock-has-its-name-and-mode': async (scene) => {
    const locks = await scene.holdfast();
    const { text } = scene.name();
    const seen = await locks.request(text, (lease) => [lease?.name, lease?.mode]);
    assert.deepEqual(seen, [text, 'exclusive']);
  },

  'result-of-the-callback-is-passed-on': async (scene) => {
    const locks = await scene.holdfast();
    const { text } = scene.name();
    const value = { any: 'value' };
    assert.equal(await locks.request(text, () => value), value);
    assert.equal(await locks.request(text, async () => value), value);
    assert.equal(await locks.request(text, () => undefined), undefined);
  },

  'error-of-the-callback-is-passed-on-and-releases': async (scene) => {
    const locks = await scene.holdfast();
    const name = scene.name();
    const own = new Error('of the callback');
    const callbacks = [
      () => {
        throw own;
      },
      () => Promise.reject(own),
    ];
    for (const callback of callbacks) {
      assert.equal(await rejection(locks.request(name.text, callback), 'it must reject'), own);
      assert.deepEqual(await scene.records(name), [], 'a callback that throws gives the lock back');
    }
  },

  'released-before-it-resolves': async (scene) => {
    const locks = await scene.holdfast();
    const name = scene.name();
    await locks.request(name.text, () => {});
    assert.deepEqual(await scene.records(name), []);
  },

  'if-available-gets-null': async (scene) => {
    const holder = await scene.hold(scene.name());
    const locks = await scene.holdfast();
    const seen = await locks.request(holder.name.text, { ifAvailable: true }, (lease) => ({ lease }));
    assert.deepEqual(seen, { lease: null });
    assert.equal((await scene.records(holder.name)).length, 1, 'it takes no place in the queue');
    await scene.store.release(heldOf(holder));
  },

  'if-available-gets-a-free-lock': async (scene) => {
    const locks = await scene.holdfast();
    const { text } = scene.name();
    assert.equal(await locks.request(text, { ifAvailable: true }, (lease) => lease?.name), text);
  },

  'if-available-does-not-pass-a-holder-of-its-own-instance': async (scene) => {
    const locks = await scene.holdfast();
    const { text } = scene.name();
    await locks.request(text, async () => {
      await locks.request(text, { ifAvailable: true }, (lease) => assert.equal(lease, null));
    });
  },

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
});
