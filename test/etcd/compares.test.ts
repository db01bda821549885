import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freeFor, freeForAll } from '../../src/backends/etcd/compares.js';
import { Keys, type NameKeys } from '../../src/backends/etcd/keys.js';
import { txn } from '../../src/backends/etcd/methods.js';
import type { Compare, Op } from '../../src/backends/etcd/wire/messages.js';
import type { Mode } from '../../src/core/backend.js';
import { parseName } from '../../src/core/name.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';

/** The conditions under which a name is granted, asked of a real member in situations that calls hardly meet. */
describe.skipIf(etcdIsMissing)('the conditions of a grant', () => {
  let cluster: EtcdCluster;
  let client: grpc.Client;
  let count = 0;
  beforeAll(async () => {
    cluster = await EtcdCluster.start();
    client = new grpc.Client(cluster.first.address, grpc.credentials.createInsecure());
  });
  afterAll(async () => {
    client.close();
    await cluster.stop();
  });

  const ask = (compare: readonly Compare[], success: readonly Op[] = []) =>
    new Promise<{ succeeded: boolean; revision: number }>((resolve, reject) => {
      const answered = (error: unknown, value?: ReturnType<typeof txn.decode>) => {
        if (error) reject(error);
        else resolve({ succeeded: value?.succeeded === true, revision: value?.header?.revision ?? 0 });
      };
      client.makeUnaryRequest(
        txn.path,
        txn.encode,
        txn.decode,
        { compare, success, failure: [] },
        new grpc.Metadata(),
        {},
        answered,
      );
    });
  const name = () => new Keys('holdfast/').of(parseName(`name ${++count}`));
  const put = async (key: string) => (await ask([], [{ put: { key, value: '' } }])).revision;
  const isFree = async (keys: NameKeys, mode: Mode) => (await ask(freeForAll(keys, mode))).succeeded;
  const isTurnOf = async (keys: NameKeys, mode: Mode, id: string, at: number, writersWait = true) =>
    (await ask(freeFor(keys, mode, id, at, writersWait))).succeeded;

  it('a newcomer: nobody holds, and nobody waits whom it would overtake', async () => {
    const keys = name();
    await put(keys.mark('gone'));
    await put(new Keys('holdfast/').of(parseName(`name ${count}/deeper`)).hold('exclusive', 'x'));
    expect([await isFree(keys, 'exclusive'), await isFree(keys, 'shared')]).toEqual([true, true]);
    await put(keys.hold('shared', 'reader'));
    expect([await isFree(keys, 'exclusive'), await isFree(keys, 'shared')]).toEqual([false, true]);
    await put(keys.place('exclusive', 'writer'));
    expect([await isFree(keys, 'exclusive'), await isFree(keys, 'shared')]).toEqual([false, false]);
    const other = name();
    await put(other.place('shared', 'reader'));
    expect([await isFree(other, 'exclusive'), await isFree(other, 'shared')]).toEqual([false, true]);
  });

  it('a writer that waits: nobody is in front, and nobody holds', async () => {
    const keys = name();
    const first = await put(keys.place('shared', 'reader'));
    const own = await put(keys.place('exclusive', 'own'));
    expect(await isTurnOf(keys, 'exclusive', 'own', own)).toBe(false);
    await ask([], [{ delete: { key: keys.place('shared', 'reader') } }]);
    expect(await isTurnOf(keys, 'exclusive', 'own', own)).toBe(true);
    await put(keys.place('shared', 'later'));
    expect(await isTurnOf(keys, 'exclusive', 'own', own)).toBe(true);
    await put(keys.hold('shared', 'stealing'));
    expect(await isTurnOf(keys, 'exclusive', 'own', own)).toBe(false);
    expect(first).toBeLessThan(own);
  });

  it('a reader that waits: no writer is in front, and none holds', async () => {
    const keys = name();
    const writer = keys.place('exclusive', 'writer');
    await put(keys.place('shared', 'other'));
    await put(writer);
    const own = await put(keys.place('shared', 'own'));
    expect(await isTurnOf(keys, 'shared', 'own', own)).toBe(false);
    expect(await isTurnOf(keys, 'shared', 'own', own, false)).toBe(false);
    await ask([], [{ delete: { key: writer } }]);
    expect(await isTurnOf(keys, 'shared', 'own', own, false)).toBe(true);
    // Behind it: no obstacle.
    await put(writer);
    expect(await isTurnOf(keys, 'shared', 'own', own)).toBe(true);
    await put(keys.hold('shared', 'reading'));
    expect(await isTurnOf(keys, 'shared', 'own', own)).toBe(true);
    await put(keys.hold('exclusive', 'writing'));
    expect(await isTurnOf(keys, 'shared', 'own', own)).toBe(false);
  });

  it('whoever has lost its place must take another one', async () => {
    const keys = name();
    const own = await put(keys.place('exclusive', 'own'));
    await ask([], [{ delete: { key: keys.place('exclusive', 'own') } }]);
    expect(await isTurnOf(keys, 'exclusive', 'own', own)).toBe(false);
    await put(keys.place('exclusive', 'own'));
    expect(await isTurnOf(keys, 'exclusive', 'own', own)).toBe(false);
  });
});
