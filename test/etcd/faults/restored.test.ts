import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { etcdIsMissing } from '../../support/etcd-server.js';
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
});
