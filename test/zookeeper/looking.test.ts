import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquire } from '../../src/backends/zookeeper/acquiring.js';
import { grantNext, isComparable } from '../../src/backends/zookeeper/granting.js';
import type { Kept } from '../../src/backends/zookeeper/keeping.js';
import { idOf, type View } from '../../src/backends/zookeeper/paths.js';
import { prove } from '../../src/backends/zookeeper/proving.js';
import type { Store } from '../../src/backends/zookeeper/store.js';
import { parseName } from '../../src/core/name.js';
import { readNodeIdentity } from '../../src/core/node.js';
import { ask } from '../support/asks.js';
import { zookeeperIsMissing } from '../support/zookeeper-server.js';
import { OneServer, parent } from './one-server.js';

const node = readNodeIdentity();

describe.skipIf(zookeeperIsMissing)('what was looked at is compared when it is acted upon', () => {
  const scene = new OneServer();

  let internal: Store;
  beforeEach(() => {
    internal = scene.internal();
  });
  afterEach(() => internal.close());

  /** Something happens right after the first look. */
  const afterLooking = (happens: () => Promise<unknown>) => {
    const look = internal.look.bind(internal);
    internal.look = async (...args) => {
      const view = await look(...args);
      internal.look = look;
      await happens();
      return view;
    };
  };

  it('of two grants upon the same view one is made', async () => {
    const warm = ask('warm-up');
    await scene.store.acquire(warm);
    await scene.operator.create(parent);
    const operation = internal.operation(10_000, 'testing');
    const look = async () => (await internal.look(operation, parent)) as View;
    await isComparable(internal, { parent, operation }, await look());
    const view = await look();
    const grants = await Promise.all(
      [ask('job'), ask('job'), ask('job')].map((each) =>
        grantNext(internal, { ask: each, id: idOf(each.owner), parent, operation }, view),
      ),
    );
    expect(grants.filter((grant) => grant !== undefined)).toHaveLength(1);
    expect((await look()).holders).toHaveLength(1);
  });

  it('a hold whose time runs out while it is granted again is not ended', async () => {
    const one = ask('job');
    await acquire(internal, one);
    const node = `hx-${idOf(one.owner)}`;
    const kept = internal.keeping.get(`${parent}/${node}`) as Kept;
    const operation = internal.operation(10_000, 'testing');
    const commit = operation.commit.bind(operation);
    operation.commit = async (build) => {
      const answer = await commit(build);
      // The answer is on its way.
      internal.keeping.renew(kept, 0);
      await sleep(100);
      return answer;
    };
    expect(await prove(internal, operation, parent, node, 10_000)).toBeDefined();
    await sleep(100);
    expect(await scene.operator.children(parent)).toContain(node);
    expect(kept.busy).toBe(0);
  });

  it('a name that was stolen meanwhile is not granted', async () => {
    const holder = ask('job');
    await scene.store.acquire(holder);
    await scene.store.acquire(ask('job', { enqueue: true }));
    const late = ask('job');
    const thief = ask('job');
    afterLooking(() => scene.store.revoke(parseName('job'), { kind: 'stolen', reason: 'a test', node, heir: thief }));
    expect(await acquire(internal, late)).toMatchObject({ outcome: 'refused' });
    expect(await scene.store.renew([thief])).toMatchObject([{ outcome: 'renewed' }]);
  });

  it.each([true, false])('an owner that gives up meanwhile gets neither a place nor the name (held: %s)', async (isHeld) => {
    const holder = ask('job');
    await scene.store.acquire(holder);
    await scene.store.acquire(ask('job', { enqueue: true }));
    const quitter = ask('job', { enqueue: true });
    if (!isHeld) {
      for (const child of await scene.operator.children(parent))
        if (/^[hp]/.test(child)) await scene.operator.remove(`${parent}/${child}`);
    }
    afterLooking(() => scene.store.abandon(quitter));
    expect(await acquire(internal, quitter)).toMatchObject({ outcome: 'refused', because: 'abandoned' });
    expect((await scene.operator.children(parent)).filter((child) => child.includes(idOf(quitter.owner)))).toEqual([
      `t-${idOf(quitter.owner)}`,
    ]);
  });

  it('a view of an earlier life of the name is no ground for a grant', async () => {
    const operation = internal.operation(10_000, 'testing');
    const look = async () => (await internal.look(operation, parent)) as View;
    const first = ask('job');
    await scene.store.acquire(first);
    await isComparable(internal, { parent, operation }, await look());
    const view = await look();
    await scene.store.release(first);
    await internal.tidying.sweep();
    expect(await internal.look(operation, parent)).toBeUndefined();
    const second = ask('job');
    await scene.store.acquire(second);
    await isComparable(internal, { parent, operation }, await look());
    // The same version, of another life.
    const stale = { ...view, holders: [] };
    expect((await look()).version).toBe(stale.version);
    const third = ask('job');
    expect(await grantNext(internal, { ask: third, id: idOf(third.owner), parent, operation }, stale)).toBeUndefined();
    expect(await scene.store.renew([second])).toMatchObject([{ outcome: 'renewed' }]);
    await scene.store.release(second);
  });
});
