import assert from 'node:assert/strict';
import type { Ask, Backend, LockRecord } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import type { LockName } from '../../core/name.js';
import { heldOf, needing, sleep, topic } from './helpers.js';
import { listedAt } from './records-of.js';
import type { Scene } from './scene.js';

async function namesUnder(store: Backend, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const record of store.list(prefix)) found.push(record.name);
  return found.sort();
}

function checkRecord(record: LockRecord | undefined, expected: Partial<LockRecord>): asserts record is LockRecord {
  assert.ok(record, 'the record must be listed');
  for (const [key, value] of Object.entries(expected)) assert.deepEqual(record[key as keyof LockRecord], value, key);
  assert.ok(record.key.length > 0, 'key says where it lies in the store');
  assert.ok(record.sinceMs >= 0 && record.sinceMs < 60_000, `sinceMs is ${record.sinceMs}`);
  assert.notEqual(record.alive, false, 'this process lives');
}

type Look = (store: Backend, name: LockName) => Promise<readonly LockRecord[]>;

/** Takes and gives back one name as fast as the store allows. */
async function churn(scene: Scene, store: Backend, endMs: number): Promise<void> {
  while (performance.now() < endMs) {
    const ask = scene.ask(scene.name('churn'), { enqueue: true });
    while ((await store.acquire(ask)).outcome !== 'granted' && performance.now() < endMs) await sleep(1);
    await store.release(heldOf(ask));
    await store.abandon(ask);
  }
}

async function watchChurn(scene: Scene, store: Backend, endMs: number, look: Look): Promise<void> {
  let snapshots = 0;
  // At least one, however slow the store is.
  while (snapshots === 0 || performance.now() < endMs) {
    const held = (await look(store, scene.name('churn'))).filter(({ state }) => state === 'held');
    assert.ok(held.length <= 1, `one snapshot shows ${held.length} exclusive holders of one name`);
    snapshots += 1;
    await sleep(1);
  }
}

export const list = topic('list', {
  'shows-a-holder': async (scene) => {
    const other = await scene.open();
    const metadata = { job: 'nightly “run”', attempt: 3, ratio: 0.5, dry: false, empty: '' };
    const ask = await scene.hold(scene.name(), { metadata });
    const [record] = await scene.holders(ask.name, other);
    const { node, ttlMs, mode } = ask;
    const digest = ownerDigest(ask.owner);
    checkRecord(record, { state: 'held', mode, ownerDigest: digest, node, ttlMs, metadata });
    assert.equal(record.renewals ?? 0, 0);
    assert.ok((record.expiresInMs ?? 0) > 0 && (record.expiresInMs ?? 0) <= ttlMs, `expiresInMs is ${record.expiresInMs}`);
    assert.equal(typeof record.fence, 'bigint');
    await scene.store.release(heldOf(ask));
  },

  'shows-a-waiter': needing('queue').run(async (scene) => {
    const metadata = { who: 'the one who waits' };
    const holder = await scene.hold(scene.name());
    const waiter = await scene.wait(holder.name, { metadata });
    const [record] = await scene.waiters(holder.name);
    const { node, ttlMs, mode } = waiter;
    checkRecord(record, { state: 'waiting', mode, ownerDigest: ownerDigest(waiter.owner), node, ttlMs, metadata });
    assert.equal(record.fence, undefined);
    assert.equal(record.expiresInMs, undefined);
    await scene.store.abandon(waiter);
    await scene.store.release(heldOf(holder));
  }),

  'keeps-metadata-as-it-was': async (scene) => {
    const metadata = {
      漢字: '🔒',
      quote: '"\'`\\',
      nul: '\0',
      lone: '\ud800',
      large: 2 ** 53,
      tiny: 1e-9,
      negative: -1,
      yes: true,
    };
    const ask = await scene.hold(scene.name(), { metadata });
    const [record] = await scene.holders(ask.name);
    assert.deepEqual(record?.metadata, metadata);
    await scene.store.release(heldOf(ask));
  },

  'shows-of-each-name-what-reading-it-shows': async (scene) => {
    const asks: Ask[] = [];
    for (const ending of ['a', 'a/1', 'a*', 'ab', 'A']) asks.push(await scene.hold(scene.name(ending), { metadata: { ending } }));
    const waiters = scene.store.traits.queue ? [await scene.wait(scene.name('a')), await scene.wait(scene.name('a/1'))] : [];
    for (const ending of ['a', 'a/1', 'a*', 'ab', 'A', 'b', '']) {
      const name = scene.name(ending);
      const listed = await scene.records(name);
      const expected = [...asks, ...waiters].filter((ask) => ask.name.text === name.text);
      assert.deepEqual(
        listed.map(({ ownerDigest: digest }) => digest),
        expected.map(({ owner }) => ownerDigest(owner)),
        JSON.stringify(ending),
      );
    }
    for (const waiter of waiters) await scene.store.abandon(waiter);
    for (const ask of asks) await scene.store.release(heldOf(ask));
  },

  'filters-by-prefix': async (scene) => {
    const endings = ['a', 'a/1', 'a/2', 'ab', 'b', 'A/1', 'a%', 'a%1', 'a*', 'a_', 'a?', 'a[', 'a\\', 'a\0', 'a\0b', 'é', 'e'];
    const asks: Ask[] = [];
    for (const ending of endings) asks.push(await scene.hold(scene.name(ending)));
    for (const part of ['', 'a', 'a/', 'a%', 'a*', 'a_', 'a?', 'a[', 'a\\', 'a\0', 'e', 'é', 'nothing']) {
      const prefix = scene.prefix + part;
      const expected: string[] = asks.map((ask) => ask.name.text).filter((text) => text.startsWith(prefix));
      assert.deepEqual(await namesUnder(scene.store, prefix), expected.sort(), `under ${JSON.stringify(part)}`);
    }
    for (const ask of asks) await scene.store.release(heldOf(ask));
  },

  'everything-under-the-empty-prefix': async (scene) => {
    const ask = await scene.hold(scene.name());
    assert.ok((await namesUnder(scene.store, '')).includes(ask.name.text));
    await scene.store.release(heldOf(ask));
  },

  'shows-nothing-that-is-over': async (scene) => {
    const name = scene.name();
    const ask = await scene.hold(name, { ttlMs: scene.shortMs });
    await scene.expiry(ask);
    assert.deepEqual(await scene.records(name), []);
  },

  'may-be-left-early': async (scene) => {
    const asks: Ask[] = [];
    for (let i = 0; i < 20; i++) asks.push(await scene.hold(scene.name(`many/${i}`)));
    for await (const record of scene.store.list(scene.prefix)) {
      assert.ok(record.name.startsWith(scene.prefix));
      break;
    }
    assert.equal((await namesUnder(scene.store, scene.prefix)).length, 20);
    for (const ask of asks) await scene.store.release(heldOf(ask));
  },

  'stays-true-during-churn': async (scene) => {
    const endMs = performance.now() + 1_000;
    const stores = [await scene.open(), await scene.open(), await scene.open(), await scene.open()];
    const looks: Look[] = [(store, name) => store.read(name), listedAt];
    await Promise.all([
      ...looks.map((look) => watchChurn(scene, scene.store, endMs, look)),
      ...stores.map((store) => churn(scene, store, endMs)),
    ]);
  },
});
