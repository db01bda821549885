import assert from 'node:assert/strict';
import { heldOf, rejection, topic } from './helpers.js';

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
});
