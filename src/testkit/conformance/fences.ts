import assert from 'node:assert/strict';
import type { Ask, Backend, Grant } from '../../core/backend.js';
import { fenceMax } from '../../core/fence.js';
import type { LockName } from '../../core/name.js';
import { granted, heldOf, needing, sleep, topic } from './helpers.js';
import type { Scene } from './scene.js';

type Fences = Grant['fences'];

/** A grant of a free name, checked in itself. */
async function mint(scene: Scene, name: LockName, over: Partial<Ask> = {}, store: Backend = scene.store) {
  const ask = scene.ask(name, over);
  const { fences } = granted(await store.acquire(ask), 'a free name must be granted');
  const count = fences.last - fences.first + 1n;
  assert.ok(count >= 1n && count <= BigInt(ask.fences), `${ask.fences} fences were asked for, the grant has ${count}`);
  assert.ok(fences.first > 0n && fences.last <= fenceMax, 'fences are positive and below 2^63');
  return { ask, fences };
}

function above(later: Fences, earlier: Fences, after: string): void {
  assert.ok(later.first > earlier.last, `after ${after} the fence went from ${earlier.last} to ${later.first}`);
}

/** Grants of one name before and after something happened to it. */
async function risesOver(scene: Scene, what: string, happens: (ask: Ask) => Promise<unknown>, over: Partial<Ask> = {}) {
  const name = scene.name();
  const before = await mint(scene, name, { fences: scene.traits.fencesPerGrant, ...over });
  await happens(before.ask);
  // Opened only now: it knows nothing of the time before.
  const other = await scene.open();
  const after = await mint(scene, name, {}, other);
  above(after.fences, before.fences, what);
  await other.release(heldOf(after.ask));
}

const grantsMax = 10_000;
const grantsTimeMs = 5_000;

export const fences = topic('fences', {
  'one-when-one-is-asked-for': async (scene) => {
    const { ask, fences } = await mint(scene, scene.name(), { fences: 1 });
    assert.equal(fences.first, fences.last);
    await scene.store.release(heldOf(ask));
  },

  'whole-range-when-it-can-mint-it': async (scene) => {
    const { fencesPerGrant } = scene.traits;
    const { ask, fences } = await mint(scene, scene.name(), { fences: fencesPerGrant });
    assert.equal(fences.last - fences.first + 1n, BigInt(fencesPerGrant), 'traits.fencesPerGrant is a promise');
    await scene.store.release(heldOf(ask));
  },

  'shown-as-the-last-one-minted': async (scene) => {
    const { ask, fences } = await mint(scene, scene.name(), { fences: scene.traits.fencesPerGrant });
    const [record] = await scene.holders(ask.name);
    assert.equal(record?.fence, fences.last);
    await scene.store.release(heldOf(ask));
  },

  /** Ten thousand grants, or as many as a slow store manages in five seconds; from two clients in turn, in ranges of any size. */
  'rise-over-ten-thousand-grants': async (scene) => {
    const name = scene.name();
    const stores = [scene.store, await scene.open()] as const;
    const endMs = performance.now() + grantsTimeMs;
    let last: Fences = { first: 0n, last: 0n };
    for (let i = 0; i < grantsMax && performance.now() < endMs; i++) {
      const store = stores[i % 2] as Backend;
      const { ask, fences } = await mint(scene, name, { fences: 1 + (i % scene.traits.fencesPerGrant) }, store);
      above(fences, last, `${i} grants`);
      last = fences;
      await store.release(heldOf(ask));
    }
  },

  'rise-over-release': async (scene) => {
    await risesOver(scene, 'a release', (ask) => scene.store.release(heldOf(ask)));
  },

  'rise-over-expiry': async (scene) => {
    await risesOver(scene, 'an expiry', (ask) => scene.expiry(ask), { ttlMs: scene.shortMs });
  },

  'rise-over-abandonment': async (scene) => {
    await risesOver(scene, 'an abandonment', (ask) => scene.store.abandon(ask));
  },

  'rise-over-revocation': async (scene) => {
    const by = { kind: 'revoked', reason: 'a test' } as const;
    await risesOver(scene, 'a revocation', (ask) => scene.store.revoke(ask.name, { ...by, node: ask.node }));
  },

  'rise-over-steal': async (scene) => {
    const before = await mint(scene, scene.name());
    const heir = scene.ask(before.ask.name);
    const { grant } = await scene.store.revoke(heir.name, { kind: 'stolen', reason: 'a test', node: heir.node, heir });
    assert.ok(grant, 'the heir is granted in the same step');
    above(grant.fences, before.fences, 'a steal');
    await scene.store.release(heldOf(heir));
  },

  'rise-although-the-store-forgot-everything': {
    needs: ['forgetEverything'],
    // Whatever else runs would be forgotten too.
    alone: true,
    run: async (scene) => {
      await risesOver(scene, 'a loss of all data', async () => {
        await scene.fixture.forgetEverything?.();
        // No store restarts faster than its clock ticks.
        await sleep(5);
      });
    },
  },

  'differ-between-readers': needing('shared').run(async (scene) => {
    const name = scene.name();
    const over = { mode: 'shared', fences: scene.traits.fencesPerGrant } as const;
    const readers = [await mint(scene, name, over), await mint(scene, name, over), await mint(scene, name, over)];
    for (const [i, { fences }] of readers.entries()) {
      const before = readers[i - 1];
      if (before !== undefined) above(fences, before.fences, 'another reader');
    }
    for (const { ask } of readers) await scene.store.release(heldOf(ask));
    const writer = await mint(scene, name);
    above(writer.fences, (readers[2] as (typeof readers)[number]).fences, 'all readers');
    await scene.store.release(heldOf(writer.ask));
  }),

  'callers-of-many-instances-see-them-rise': async (scene) => {
    const name = scene.name().text;
    const instances = [await scene.holdfast(), await scene.holdfast(), await scene.holdfast()];
    const seen: bigint[] = [];
    const callers = instances.flatMap((locks) => Array.from({ length: 8 }, () => locks));
    await Promise.all(callers.map((locks) => locks.request(name, (lease) => void seen.push(lease?.fence ?? 0n))));
    const sorted = [...seen].sort((a, b) => (a < b ? -1 : 1));
    assert.deepEqual(seen, sorted, 'fences rise in the order of the turns');
    assert.equal(new Set(seen).size, callers.length, 'every caller has a fence of its own');
  },
});
