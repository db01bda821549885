import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, describe, expect, it } from 'vitest';
import { etcd } from '../../../src/backends/etcd/index.js';
import { ask, heldOf } from '../../support/asks.js';
import { etcdIsMissing } from '../../support/etcd-server.js';
import { Relay } from '../relay.js';
import { Scene } from '../scene.js';

/** Revisions go back with the data; fences must not. */
describe.skipIf(etcdIsMissing)('a cluster that is restored from a snapshot', () => {
  const scene = new Scene();
  const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-snapshot-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const taken = async (locks: ReturnType<Scene['holder']>) => {
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    await lease.release();
    return fence;
  };

  it('a process that was there before sees that the store went back', async () => {
    const locks = scene.holder();
    const snapshot = path.join(folder, 'first.db');
    await taken(locks);
    await scene.server.ctl('snapshot', 'save', snapshot);
    let last = 0n;
    for (let i = 0; i < 20; i++) last = await taken(locks);
    await scene.server.restore(snapshot);
    await scene.cluster.ready();
    expect(await taken(locks)).toBeGreaterThan(last);
    expect(await taken(scene.holder())).toBeGreaterThan(last);
  });

  it('a process that is new sees it where the cluster was given a new token', async () => {
    const snapshot = path.join(folder, 'second.db');
    const locks = scene.holder();
    await taken(locks);
    await scene.server.ctl('snapshot', 'save', snapshot);
    let last = 0n;
    for (let i = 0; i < 20; i++) last = await taken(locks);
    await locks.close();
    await scene.server.restore(snapshot, 'another-token');
    await scene.cluster.ready();
    expect(await taken(scene.holder())).toBeGreaterThan(last);
  });

  it('a cluster that lost everything starts above what it has granted', async () => {
    const locks = scene.holder();
    let last = 0n;
    for (let i = 0; i < 20; i++) last = await taken(locks);
    await scene.server.kill();
    scene.server.forget();
    scene.server.launch();
    await scene.cluster.ready();
    expect(await taken(locks)).toBeGreaterThan(last);
    expect(await taken(scene.holder())).toBeGreaterThan(last);
  });

  it('a process that saw little of a cluster which lost everything, and comes when others have made it their own', async () => {
    const idle = scene.holder();
    await scene.server.kill();
    scene.server.forget();
    scene.server.launch();
    await scene.cluster.ready();
    await taken(idle);
    const busy = scene.holder();
    let last = 0n;
    for (let i = 0; i < 100; i++) last = await taken(busy);
    await scene.server.kill();
    scene.server.forget();
    scene.server.launch();
    await scene.cluster.ready();
    // Its epoch has the same revision as the lost one, and by now the cluster has higher ones than the first process knows.
    const fresh = scene.holder();
    for (let i = 0; i < 10; i++) last = await taken(fresh);
    expect(await taken(idle)).toBeGreaterThan(last);
  });

  it('a new epoch that could not be written at the first try: nothing is granted on the old one meanwhile', async () => {
    const relay = await Relay.start(scene.server.address);
    try {
      const locks = scene.holder({ endpoints: [relay.address], etcd: { commandTimeoutMs: 500 } });
      const snapshot = path.join(folder, 'third.db');
      await taken(locks);
      await scene.server.ctl('snapshot', 'save', snapshot);
      let last = 0n;
      for (let i = 0; i < 20; i++) last = await taken(locks);
      await scene.server.restore(snapshot);
      await scene.cluster.ready();
      let isMet = false;
      const met = () => {
        isMet = true;
      };
      relay.holdUp = { text: '"cluster":', until: new Promise(() => {}), met, used: false };
      expect(await taken(locks)).toBeGreaterThan(last);
      expect(isMet).toBe(true);
      // While it can still withdraw what it has no answer about.
      await locks.close();
    } finally {
      relay.stop();
    }
  });

  it.each(['asks', 'steals'])(
    'an owner that %s again and finds its own hold, of before what others were granted, is granted anew',
    async (how) => {
      const relay = await Relay.start(scene.server.address);
      const [store, copy] = [relay.address, scene.server.address].map((endpoint) => etcd({ grpc, endpoints: [endpoint] }));
      if (store === undefined || copy === undefined) return expect.unreachable();
      try {
        const snapshot = path.join(folder, `${how}.db`);
        const locks = scene.holder();
        const first = await locks.acquire('job');
        const one = ask('job', { ttlMs: 60_000, enqueue: true });
        expect(await store.acquire(one)).toMatchObject({ outcome: 'refused', because: 'held' });
        // It does not hear of its turn, nor of what became of a copy of its ask.
        relay.deaf = true;
        await first.release();
        expect(await copy.acquire(one)).toMatchObject({ outcome: 'granted' });
        await scene.server.ctl('snapshot', 'save', snapshot);
        expect(await copy.release(heldOf(one))).toBe('released');
        let last = 0n;
        for (let i = 0; i < 20; i++) last = await taken(locks);
        const other = ask('other');
        await store.acquire(other);
        await store.release(heldOf(other));
        await scene.server.restore(snapshot);
        await scene.cluster.ready();
        const by = { kind: 'stolen', reason: 'a test', node: one.node, heir: one } as const;
        const again = how === 'asks' ? await store.acquire(one) : (await store.revoke(one.name, by)).grant;
        if (again?.outcome !== 'granted') return expect.unreachable('nobody else has it');
        expect(again.fences.first).toBeGreaterThan(last);
        expect(await store.release(heldOf(one))).toBe('released');
      } finally {
        await store.close();
        await copy.close();
        relay.stop();
      }
    },
  );
});
