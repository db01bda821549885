import assert from 'node:assert/strict';
import type { Ask, Backend, Mode } from '../../core/backend.js';
import { eventually, granted, heldOf, needing, refused, rejection, topic } from './helpers.js';
import type { Scene } from './scene.js';

const withShared = needing('shared');
const withLine = needing('shared', 'queue');

const reader = { mode: 'shared' } as const satisfies { mode: Mode };

function turn(scene: Scene, ask: Ask, why: string): Promise<void> {
  return eventually(async () => void granted(await scene.store.acquire(ask), why), scene.graceMs);
}

async function releaseAll(store: Backend, asks: readonly Ask[]): Promise<void> {
  for (const ask of asks) assert.equal(await store.release(heldOf(ask)), 'released');
}

export const shared = topic('shared', {
  'readers-together': withShared.run(async (scene) => {
    const other = await scene.open();
    const name = scene.name();
    const asks = [await scene.hold(name, reader), await scene.hold(name, reader, other), await scene.hold(name, reader)];
    const modes = (await scene.holders(name)).map((record) => record.mode);
    assert.deepEqual(modes, ['shared', 'shared', 'shared']);
    await releaseAll(scene.store, asks);
  }),

  'reader-waits-for-a-writer': withShared.run(async (scene) => {
    const writer = await scene.hold(scene.name());
    const no = refused(await scene.store.acquire(scene.ask(writer.name, reader)), 'no reader beside a writer');
    assert.deepEqual([no.because, no.holders.map((record) => record.mode)], ['held', ['exclusive']]);
    await releaseAll(scene.store, [writer]);
    await releaseAll(scene.store, [await scene.hold(writer.name, reader)]);
  }),

  'writer-waits-for-every-reader': withShared.run(async (scene) => {
    const name = scene.name();
    const readers = [await scene.hold(name, reader), await scene.hold(name, reader), await scene.hold(name, reader)];
    const writer = scene.ask(name);
    for (const ask of readers) {
      const no = refused(await scene.store.acquire(writer), 'no writer beside a reader');
      assert.equal(no.because, 'held');
      await releaseAll(scene.store, [ask]);
    }
    granted(await scene.store.acquire(writer), 'free when the last reader has gone');
    await releaseAll(scene.store, [writer]);
  }),

  'same-reader-holds-once': withShared.run(async (scene) => {
    const ask = scene.ask(scene.name(), reader);
    const first = granted(await scene.store.acquire(ask), 'a free name must be granted');
    const second = granted(await scene.store.acquire(ask), 'the same owner asking again is told the same');
    assert.deepEqual(second.fences, first.fences);
    assert.equal((await scene.holders(ask.name)).length, 1);
    await releaseAll(scene.store, [ask]);
  }),

  'one-reader-expires-alone': withShared.run(async (scene) => {
    const name = scene.name();
    const staying = await scene.hold(name, reader);
    await scene.hold(name, { ...reader, ttlMs: scene.shortMs });
    const alone = async () => assert.equal((await scene.holders(name)).length, 1, 'the reader that vanished goes alone');
    await eventually(alone, scene.shortMs + scene.graceMs);
    refused(await scene.store.acquire(scene.ask(name)), 'the reader that stayed still excludes writers');
    await releaseAll(scene.store, [staying]);
  }),

  'short-reader-does-not-shorten-a-long-one': withShared.run(async (scene) => {
    const name = scene.name();
    await scene.hold(name, { ...reader, ttlMs: scene.shortMs });
    const staying = await scene.hold(name, reader);
    const left = async () => {
      const [record, ...others] = await scene.holders(name);
      assert.equal(others.length, 0);
      assert.ok((record?.expiresInMs ?? 0) > scene.longMs / 2, 'each reader has a TTL of its own');
    };
    await eventually(left, scene.shortMs + scene.graceMs);
    await releaseAll(scene.store, [staying]);
  }),

  'waiting-writer-is-not-starved': withLine.run(async (scene) => {
    const first = await scene.hold(scene.name(), reader);
    const writer = await scene.wait(first.name);
    const late = scene.ask(first.name, { ...reader, enqueue: true });
    const no = refused(await scene.store.acquire(late), 'a reader must not overtake a writer that waits');
    assert.deepEqual([no.because, no.ahead], ['queued', 1]);
    refused(await scene.store.acquire(scene.ask(first.name, reader)), 'not even one that does not queue');
    await releaseAll(scene.store, [first]);
    await turn(scene, writer, 'the writer is next');
    refused(await scene.store.acquire(late), 'no reader beside a writer');
    await releaseAll(scene.store, [writer]);
    await turn(scene, late, 'then the reader behind it');
    await releaseAll(scene.store, [late]);
  }),

  'granted-in-order-readers-in-groups': withLine.run(async (scene) => {
    const first = await scene.hold(scene.name());
    const name = first.name;
    const group = [await scene.wait(name, reader), await scene.wait(name, reader)] as const;
    const writer = await scene.wait(name);
    const last = await scene.wait(name, reader);
    await releaseAll(scene.store, [first]);
    for (const ask of [last, writer]) refused(await scene.store.acquire(ask), 'the readers in front come first');
    for (const ask of group) await turn(scene, ask, 'readers in front of the writer go together');
    for (const ask of [writer, last]) refused(await scene.store.acquire(ask), 'their turn comes after the group');
    await releaseAll(scene.store, group);
    refused(await scene.store.acquire(last), 'the writer is before it');
    await turn(scene, writer, 'the writer goes alone');
    refused(await scene.store.acquire(last), 'no reader beside a writer');
    await releaseAll(scene.store, [writer]);
    await turn(scene, last, 'the last reader goes last');
    await releaseAll(scene.store, [last]);
  }),

  'readers-of-several-instances-run-together': withShared.run(async (scene) => {
    const name = scene.name().text;
    const instances = [await scene.holdfast(), await scene.holdfast(), await scene.holdfast()];
    let running = 0;
    let meet = () => {};
    const together = new Promise<void>((resolve) => {
      meet = resolve;
    });
    const read = async () => {
      if (++running === instances.length) meet();
      await together;
    };
    await Promise.all(instances.map((locks) => locks.request(name, reader, read)));
  }),

  'unsupported-mode-is-refused': needing('no-shared').run(async (scene) => {
    const locks = await scene.holdfast();
    const error = await rejection(
      locks.request(scene.name().text, reader, () => {}),
      'a store without shared mode must refuse it',
    );
    assert.equal((error as DOMException).name, 'NotSupportedError');
  }),
});
