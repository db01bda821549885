import assert from 'node:assert/strict';
import type { Backend, Held } from '../../core/backend.js';
import { codeOf, heldOf, rejection, sleep, topic, within } from './helpers.js';
import type { Scene } from './scene.js';
import { type Faults, gate, holdReply } from './wrappers.js';

async function drain(iterable: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of iterable);
}

/** Every call of the contract that talks to the store. */
function everyCall(scene: Scene, store: Backend, held: Held): Record<string, () => Promise<unknown>> {
  const ask = scene.ask(held.name);
  return {
    acquire: () => store.acquire(ask),
    renew: () => store.renew([held]),
    release: () => store.release(held),
    abandon: () => store.abandon(ask),
    revoke: () => store.revoke(held.name, { kind: 'revoked', reason: 'a test', node: ask.node }),
    read: () => store.read(held.name),
    list: () => drain(store.list(scene.prefix)),
  };
}

/** An instance with one callback that runs until the gate opens. */
async function busy(scene: Scene, ttlMs: number) {
  const locks = await scene.holdfast({ ttlMs });
  const name = scene.name();
  const finish = gate();
  const started = gate();
  const turn = locks.request(name.text, async (lease) => {
    started.open();
    await finish.opened;
    lease?.assertHeld();
    return lease?.fence;
  });
  await started.opened;
  return { locks, name, finish, turn };
}

export const close = topic('close', {
  'later-calls-reject-rather-than-hang': async (scene) => {
    const holder = await scene.hold(scene.name());
    const doomed = await scene.open();
    await doomed.close();
    for (const [method, call] of Object.entries(everyCall(scene, doomed, heldOf(holder)))) {
      await within(rejection(call(), `${method} after close must reject`), 5_000, `${method} after close`);
    }
    const stop = doomed.watch(holder.name, () => {});
    stop();
    assert.equal((await scene.holders(holder.name)).length, 1, 'nothing of this may take effect');
    await scene.store.release(heldOf(holder));
  },

  'ends-its-records-too': async (scene) => {
    const [doomed, other] = [await scene.open(), await scene.open()];
    const [records, seen] = [doomed.records?.(), other.records?.()];
    if (records === undefined || seen === undefined) return assert.equal(records, seen, 'all clients have records, or none has');
    const key = `${scene.prefix}record`;
    const { written, record } = await records.create(key, 'one', 60_000);
    assert.deepEqual([written, (await seen.get(key))?.value], [true, 'one'], 'every client of the store sees them');
    assert.deepEqual(await scene.records(scene.watchName(key)), [], 'a record is no lock');
    await doomed.close();
    await within(rejection(records.get(key), 'a record must not be read after close'), 5_000, 'get after close');
    assert.equal((await seen.compareAndSet(key, record?.version ?? '', 'two', 1)).written, true);
  },

  'twice-is-once': async (scene) => {
    const doomed = await scene.open();
    await Promise.all([doomed.close(), doomed.close()]);
    await doomed.close();
  },

  'leaves-other-clients-alone': async (scene) => {
    const doomed = await scene.open();
    const ask = await scene.hold(scene.name());
    await doomed.close();
    const [renewal] = await scene.store.renew([heldOf(ask)]);
    assert.equal(renewal?.outcome, 'renewed');
    await scene.store.release(heldOf(ask));
  },

  'rejects-whoever-waits': async (scene) => {
    const holder = await scene.hold(scene.name());
    const locks = await scene.holdfast();
    const turns = [locks.request(holder.name.text, () => {}), locks.request(holder.name.text, () => {})];
    const errors = turns.map((turn) => rejection(turn, 'a waiter must be rejected when its instance closes'));
    const acquired = rejection(locks.acquire(holder.name.text), 'so must acquire');
    await sleep(50);
    await locks.close();
    for (const error of await Promise.all(errors)) {
      assert.equal((error as DOMException).name, 'AbortError');
      assert.equal(codeOf((error as DOMException).cause), 'CLOSED');
    }
    const error = (await acquired) as Error;
    assert.ok(codeOf(error) === 'CLOSED' || codeOf(error.cause) === 'CLOSED');
    assert.equal((await scene.records(holder.name)).length, 1, 'no place is left behind');
    await scene.store.release(heldOf(holder));
  },

  'rejects-whoever-waits-for-its-own-instance': async (scene) => {
    const { locks, name, finish, turn } = await busy(scene, scene.longMs);
    const error = rejection(
      locks.request(name.text, () => {}),
      'a waiter must be rejected when its instance closes',
    );
    const closed = locks.close();
    assert.equal(((await error) as DOMException).name, 'AbortError');
    finish.open();
    await Promise.all([turn, closed]);
  },

  'lets-callbacks-finish-and-renews-them-meanwhile': async (scene) => {
    const { locks, name, finish, turn } = await busy(scene, scene.steadyMs);
    let isClosed = false;
    const closed = locks.close().then(() => {
      isClosed = true;
    });
    await sleep(scene.steadyMs * 1.5);
    assert.equal(isClosed, false, 'close waits for callbacks that run');
    assert.equal((await scene.holders(name)).length, 1, 'while the callback runs its hold is renewed, also during close');
    finish.open();
    assert.equal(typeof (await turn), 'bigint');
    await closed;
    assert.deepEqual(await scene.records(name), [], 'released when close has resolved');
  },

  'releases-what-was-acquired': async (scene) => {
    const locks = await scene.holdfast();
    const lease = await locks.acquire(scene.name().text);
    await locks.close();
    assert.deepEqual(await scene.records(scene.name()), []);
    assert.throws(() => lease.fence, 'a lease is over when its instance is closed');
    assert.equal(typeof (await lease.release()), 'string', 'releasing it again is a result, not a throw');
  },

  'ask-on-its-way-leaves-nothing': async (scene) => {
    for (const ifAvailable of [false, true]) {
      const late = gate();
      const locks = await scene.holdfast({ callTimeoutMs: 1_000 }, { acquire: holdReply(late) });
      const turn = locks.request(scene.name().text, { ifAvailable }, () => 'ran');
      const failure = rejection(turn, 'a request whose answer is not there yet waits, and is rejected');
      await sleep(20);
      const closed = locks.close();
      await sleep(20);
      late.open();
      await Promise.all([failure, closed]);
      assert.deepEqual(await scene.records(scene.name()), [], 'an ask that close() gave up must leave nothing');
    }
  },

  'nothing-is-sent-afterwards': async (scene) => {
    const late = gate();
    let closed = false;
    const sentLate: string[] = [];
    const noted =
      (method: string) =>
      (call: (...args: never[]) => Promise<never>, ...args: never[]) => {
        if (closed) sentLate.push(method);
        return call(...args);
      };
    const faults = { renew: noted('renew'), release: noted('release'), abandon: noted('abandon'), acquire: holdReply(late) };
    const locks = await scene.holdfast({ callTimeoutMs: 1_000 }, faults as unknown as Faults);
    const failure = rejection(
      locks.request(scene.name().text, () => {}),
      'a request that waits is rejected',
    );
    await sleep(20);
    await Promise.all([failure, locks.close()]);
    closed = true;
    late.open();
    await sleep(50);
    assert.deepEqual(sentLate, [], 'when close() has resolved the client is closed, and nobody may use it');
  },

  'refuses-everything-afterwards': async (scene) => {
    const locks = await scene.holdfast();
    const name = scene.name().text;
    await locks.request(name, () => {});
    await Promise.all([locks.close(), locks.close()]);
    const calls = {
      request: () => locks.request(name, () => assert.fail('the callback must not run')),
      acquire: () => locks.acquire(name),
      query: () => locks.query(),
      revoke: () => locks.revoke(name, { reason: 'a test' }),
    };
    for (const [what, call] of Object.entries(calls)) {
      const error = (await within(rejection(call(), `${what} after close must reject`), 5_000, what)) as Error;
      assert.ok(codeOf(error) === 'CLOSED' || codeOf(error.cause) === 'CLOSED', `${what} rejected with ${error}`);
    }
  },
});
