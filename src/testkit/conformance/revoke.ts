import assert from 'node:assert/strict';
import type { Ask, Backend, Renewal, Revocation } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import { eventually, granted, heldOf, needing, refused, topic } from './helpers.js';
import type { Scene } from './scene.js';
import { dropReply } from './wrappers.js';

const reason = 'the operator’s “reason”, 漢字, {braces} and %';

function end(store: Backend, ask: Ask): Promise<Revocation> {
  return store.revoke(ask.name, { kind: 'revoked', reason, node: ask.node });
}

/** Only if the hold of that fence is there. */
function endIf(store: Backend, ask: Ask, ifFence: bigint): Promise<Revocation> {
  return store.revoke(ask.name, { kind: 'revoked', reason, node: ask.node, ifFence });
}

async function fenceOf(scene: Scene, { name, owner }: Ask): Promise<bigint> {
  const record = (await scene.holders(name)).find(({ ownerDigest: digest }) => digest === ownerDigest(owner));
  assert.ok(record?.fence !== undefined, 'a hold is shown with its fence');
  return record.fence;
}

function steal(store: Backend, heir: Ask): Promise<Revocation> {
  return store.revoke(heir.name, { kind: 'stolen', reason, node: heir.node, heir });
}

async function renewal(scene: Scene, ask: Ask): Promise<Renewal | undefined> {
  return (await scene.store.renew([heldOf(ask)]))[0];
}

async function holderDigests(scene: Scene, ask: Ask): Promise<string[]> {
  return (await scene.holders(ask.name)).map((record) => record.ownerDigest);
}

export const revoke = topic('revoke', {
  'ends-the-hold-and-returns-it': async (scene) => {
    const other = await scene.open();
    const ask = await scene.hold(scene.name(), { metadata: { job: 'nightly' } });
    const [before] = await scene.holders(ask.name);
    const { ended, grant } = await end(other, ask);
    assert.equal(grant, undefined);
    assert.deepEqual(
      ended.map((record) => [record.state, record.name, record.ownerDigest, record.fence, record.metadata]),
      [['held', ask.name.text, ownerDigest(ask.owner), before?.fence, { job: 'nightly' }]],
    );
    assert.deepEqual(await scene.records(ask.name), []);
  },

  'stale-holder-can-do-nothing': async (scene) => {
    const ask = await scene.hold(scene.name());
    await end(scene.store, ask);
    assert.equal((await renewal(scene, ask))?.outcome, 'gone');
    assert.equal(await scene.store.release(heldOf(ask)), 'absent');
    const next = await scene.hold(ask.name);
    assert.equal((await renewal(scene, ask))?.outcome, 'not-yours');
    assert.equal(await scene.store.release(heldOf(ask)), 'not-owner');
    assert.deepEqual(await holderDigests(scene, ask), [ownerDigest(next.owner)]);
    await scene.store.release(heldOf(next));
  },

  'stale-holder-is-told-why': async (scene) => {
    const ask = await scene.hold(scene.name());
    await end(scene.store, ask);
    assert.deepEqual(await renewal(scene, ask), { outcome: 'gone', by: { kind: 'revoked', reason } });
    const next = await scene.hold(ask.name);
    assert.deepEqual(await renewal(scene, ask), { outcome: 'not-yours', by: { kind: 'revoked', reason } });
    await scene.store.release(heldOf(next));
  },

  'stale-holder-cannot-ask-again': async (scene) => {
    const ask = await scene.hold(scene.name());
    await end(scene.store, ask);
    refused(await scene.store.acquire(ask), 'an ask that arrives twice must not undo a revocation');
    assert.deepEqual(await scene.records(ask.name), []);
  },

  'of-a-free-name-is-nothing': async (scene) => {
    const { ended, grant } = await end(scene.store, scene.ask(scene.name()));
    assert.deepEqual([ended, grant], [[], undefined]);
  },

  'leaves-other-names-alone': async (scene) => {
    const [one, two] = [await scene.hold(scene.name('one')), await scene.hold(scene.name('one/two'))];
    await end(scene.store, one);
    assert.equal((await renewal(scene, two))?.outcome, 'renewed');
    await scene.store.release(heldOf(two));
  },

  'ends-every-reader': needing('shared').run(async (scene) => {
    const name = scene.name();
    const readers = [await scene.hold(name, { mode: 'shared' }), await scene.hold(name, { mode: 'shared' })] as const;
    const { ended } = await end(scene.store, readers[0]);
    assert.equal(ended.length, 2);
    const writer = await scene.hold(name);
    for (const ask of readers) assert.equal((await renewal(scene, ask))?.outcome, 'not-yours');
    await scene.store.release(heldOf(writer));
  }),

  'serves-whoever-waits': needing('queue').run(async (scene) => {
    const holder = await scene.hold(scene.name());
    const waiter = await scene.wait(holder.name);
    await end(scene.store, holder);
    granted(await scene.store.acquire(waiter), 'a revocation makes the name free for the head of the queue');
    await scene.store.release(heldOf(waiter));
  }),

  'if-another-fence-ends-nothing': async (scene) => {
    const ask = await scene.hold(scene.name());
    const fence = await fenceOf(scene, ask);
    for (const other of [fence - 1n, fence + 1n, 0n]) {
      assert.deepEqual(await endIf(scene.store, ask, other), { ended: [] });
    }
    assert.equal((await renewal(scene, ask))?.outcome, 'renewed');
    await scene.store.release(heldOf(ask));
    assert.deepEqual(await endIf(scene.store, ask, fence), { ended: [] }, 'nobody holds it any more');
  },

  'if-its-fence-ends-the-hold-once': async (scene) => {
    const other = await scene.open();
    const ask = await scene.hold(scene.name(), { fences: scene.traits.fencesPerGrant });
    await scene.store.renew([heldOf(ask)]);
    const fence = await fenceOf(scene, ask);
    const { ended } = await endIf(other, ask, fence);
    assert.deepEqual(
      ended.map((record) => [record.ownerDigest, record.fence]),
      [[ownerDigest(ask.owner), fence]],
    );
    assert.deepEqual(await renewal(scene, ask), { outcome: 'gone', by: { kind: 'revoked', reason } });
    const next = await scene.hold(ask.name);
    assert.ok((await fenceOf(scene, next)) > fence, 'the next fence is higher');
    assert.deepEqual(await endIf(other, ask, fence), { ended: [] }, 'asked again, it is over');
    assert.equal((await renewal(scene, next))?.outcome, 'renewed');
    await scene.store.release(heldOf(next));
  },

  'if-its-fence-spares-whoever-it-was-handed-to': needing('queue').run(async (scene) => {
    const holder = await scene.hold(scene.name());
    const waiter = await scene.wait(holder.name);
    const fence = await fenceOf(scene, holder);
    await scene.store.release(heldOf(holder));
    assert.deepEqual(await endIf(scene.store, holder, fence), { ended: [] }, 'before the waiter has come');
    granted(await scene.store.acquire(waiter), 'it was handed over');
    assert.deepEqual(await endIf(scene.store, holder, fence), { ended: [] }, 'and after');
    assert.equal((await renewal(scene, waiter))?.outcome, 'renewed');
    await scene.store.release(heldOf(waiter));
  }),

  'if-its-fence-spares-whoever-comes-meanwhile': async (scene) => {
    const other = await scene.open();
    const name = scene.name();
    for (let turn = 0; turn < 10; turn++) {
      const holder = await scene.hold(name);
      const fence = await fenceOf(scene, holder);
      const next = scene.ask(name);
      const takeOver = async () => {
        await scene.store.release(heldOf(holder));
        await eventually(async () => granted(await scene.store.acquire(next), 'the name is free'), scene.graceMs);
      };
      const [{ ended }] = await Promise.all([endIf(other, holder, fence), takeOver()]);
      assert.ok(
        ended.every((record) => record.fence === fence),
        'only the hold that was meant may be ended',
      );
      assert.equal((await renewal(scene, next))?.outcome, 'renewed');
      await scene.store.release(heldOf(next));
    }
  },

  'if-the-fence-of-one-reader-ends-all': needing('shared').run(async (scene) => {
    const name = scene.name();
    const readers = [await scene.hold(name, { mode: 'shared' }), await scene.hold(name, { mode: 'shared' })] as const;
    const [one, two] = [await fenceOf(scene, readers[0]), await fenceOf(scene, readers[1])];
    assert.deepEqual((await endIf(scene.store, readers[0], one + two)).ended, []);
    assert.equal((await endIf(scene.store, readers[0], one)).ended.length, 2);
    assert.deepEqual(await scene.records(name), []);
  }),

  'steal-is-one-step': async (scene) => {
    const other = await scene.open();
    const holder = await scene.hold(scene.name());
    const heir = scene.ask(holder.name, { fences: scene.traits.fencesPerGrant });
    const { ended, grant } = await steal(other, heir);
    assert.deepEqual(
      ended.map((record) => record.ownerDigest),
      [ownerDigest(holder.owner)],
    );
    assert.equal(grant?.outcome, 'granted');
    assert.deepEqual(await holderDigests(scene, heir), [ownerDigest(heir.owner)]);
    assert.equal((await renewal(scene, holder))?.outcome, 'not-yours');
    assert.equal((await renewal(scene, heir))?.outcome, 'renewed');
    await other.release(heldOf(heir));
  },

  'stolen-holder-is-told-why': async (scene) => {
    const holder = await scene.hold(scene.name());
    const heir = scene.ask(holder.name);
    await steal(scene.store, heir);
    assert.deepEqual(await renewal(scene, holder), { outcome: 'not-yours', by: { kind: 'stolen', reason } });
    await scene.store.release(heldOf(heir));
  },

  'steal-of-a-free-name-grants': async (scene) => {
    const heir = scene.ask(scene.name());
    const { ended, grant } = await steal(scene.store, heir);
    assert.deepEqual([ended, grant?.outcome], [[], 'granted']);
    assert.equal(await scene.store.release(heldOf(heir)), 'released');
  },

  'steal-twice-is-once': async (scene) => {
    const other = await scene.open();
    const holder = await scene.hold(scene.name());
    const heir = scene.ask(holder.name);
    const first = await steal(scene.store, heir);
    const second = await steal(other, heir);
    assert.deepEqual(second.ended, [], 'the heir must not be robbed by its own second try');
    assert.deepEqual(second.grant?.fences, first.grant?.fences);
    assert.deepEqual(await holderDigests(scene, heir), [ownerDigest(heir.owner)]);
    assert.equal(await scene.store.release(heldOf(heir)), 'released');
  },

  'stealing-owner-may-ask-again': async (scene) => {
    const holder = await scene.hold(scene.name());
    const heir = scene.ask(holder.name);
    const { grant } = await steal(scene.store, heir);
    const again = granted(await scene.store.acquire(heir), 'the heir holds it');
    assert.deepEqual(again.fences, grant?.fences);
    await scene.store.release(heldOf(heir));
  },

  'steal-goes-before-whoever-waits': needing('queue').run(async (scene) => {
    const holder = await scene.hold(scene.name());
    const waiter = await scene.wait(holder.name);
    const heir = scene.ask(holder.name);
    assert.equal((await steal(scene.store, heir)).grant?.outcome, 'granted');
    refused(await scene.store.acquire(waiter), 'the heir is in front of every waiter');
    await scene.store.release(heldOf(heir));
    granted(await scene.store.acquire(waiter), 'the queue is as it was');
    await scene.store.release(heldOf(waiter));
  }),

  'abandoned-heir-gets-nothing': async (scene) => {
    const heir = scene.ask(scene.name());
    await scene.store.abandon(heir);
    assert.equal((await steal(scene.store, heir)).grant, undefined);
    assert.deepEqual(await scene.records(heir.name), [], 'a steal that was given up must leave no orphan');
  },

  'abandoned-heir-robs-nobody': async (scene) => {
    const holder = await scene.hold(scene.name());
    const heir = scene.ask(holder.name);
    await scene.store.abandon(heir);
    assert.deepEqual(await steal(scene.store, heir), { ended: [] }, 'a steal that was given up and arrives late does nothing');
    assert.equal((await scene.store.renew([holder]))[0]?.outcome, 'renewed');
    await scene.store.release(holder);
  },

  'lost-reply-to-a-steal-is-asked-for-again': async (scene) => {
    const holder = await scene.hold(scene.name());
    const locks = await scene.holdfast({}, { revoke: dropReply(2) });
    await locks.request(holder.name.text, { steal: true }, async (lease) => {
      const [record, ...others] = await scene.holders(holder.name);
      assert.deepEqual([record?.fence, others.length], [lease?.fence, 0], 'it has stolen once, from the holder');
    });
  },

  'rival-heirs-leave-one-holder': async (scene) => {
    const other = await scene.open();
    const holder = await scene.hold(scene.name());
    const heirs = Array.from({ length: 8 }, () => scene.ask(holder.name));
    const answers = await Promise.all(heirs.map((heir, i) => steal(i % 2 === 0 ? scene.store : other, heir)));
    const last = answers.map(({ grant }) => grant?.fences.last ?? 0n).sort((a, b) => (a < b ? 1 : -1))[0];
    const holders = await scene.holders(holder.name);
    assert.deepEqual(
      holders.map((record) => record.fence),
      [last],
      'of several thieves the one with the highest fence has it',
    );
    for (const heir of heirs) await scene.store.release(heldOf(heir));
  },
});
