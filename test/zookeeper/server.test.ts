import { setTimeout as sleep } from 'node:timers/promises';
import zk from 'node-zookeeper-client';
import { describe, expect, it } from 'vitest';
import { zookeeper } from '../../src/backends/zookeeper/index.js';
import { lossOf, until } from '../support/waits.js';
import { Operator } from '../support/zookeeper-clients.js';
import { zookeeperIsMissing } from '../support/zookeeper-server.js';
import { Scene, ttlMs } from './scene.js';

describe.skipIf(zookeeperIsMissing)('one server', () => {
  const scene = new Scene('one');

  it('killed and restarted within the lease: the session is still there, and so is the hold', async () => {
    const locks = scene.holder({ ttlMs: 20_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.server.kill();
    await scene.server.boot();
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    await until(() => renewed > 0, 'a renewal', 15_000);
    expect(lease.fence).toBe(fence);
    expect(await lease.release()).toBe('released');
    const next = await locks.acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('stopped past the lease: the holder is told by its deadline, and asks again when the server goes on', async () => {
    const locks = scene.holder();
    const lease = await locks.acquire('job');
    const { fence } = lease;
    scene.server.signal('SIGSTOP');
    try {
      const { loss, afterMs } = await lossOf(locks);
      expect(loss).toBe('expired');
      expect(afterMs).toBeLessThanOrEqual(ttlMs);
      await sleep(1_000);
    } finally {
      scene.server.signal('SIGCONT');
    }
    const next = await locks.acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    await next.release();
  });

  it('stopped for a moment: the lease goes on', async () => {
    const locks = scene.holder({ ttlMs: 5_000 });
    const lease = await locks.acquire('job');
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    scene.server.signal('SIGSTOP');
    await sleep(1_800);
    scene.server.signal('SIGCONT');
    await until(() => renewed > 0, 'a renewal');
    lease.assertHeld();
    expect(await lease.release()).toBe('released');
  });

  it('an operator deletes the node: the next renewal says that it is forgotten', async () => {
    const locks = scene.holder({ ttlMs: 5_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const lost = lossOf(locks);
    await scene.look(async (operator) => {
      for (const node of await operator.children('/holdfast/locks/job')) {
        if (node.startsWith('h')) await operator.remove(`/holdfast/locks/job/${node}`);
      }
    });
    expect(await lost).toMatchObject({ loss: 'forgotten' });
    const next = await locks.acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('an operator deletes everything, the root included: it is made again', async () => {
    const locks = scene.holder({ ttlMs: 10_000 });
    const { fence } = await locks.acquire('job');
    const lost = lossOf(locks);
    await scene.look((operator) => operator.removeAll('/holdfast'));
    await lost;
    const next = await locks.acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('an operator ends the session: what was held in it is forgotten, and a new one begins', async () => {
    const clients: zk.Client[] = [];
    const store = zookeeper((sessionTimeout) => {
      const client = zk.createClient(scene.addresses, { sessionTimeout });
      clients.push(client);
      return client;
    });
    const locks = scene.holderOn(store);
    const { fence } = await locks.acquire('job');
    const [client] = clients as [zk.Client];
    const lost = lossOf(locks);
    let isOver = false;
    void lost.then(() => {
      isOver = true;
    });
    // Whoever has a session's password can end it, unless its client takes it back before.
    while (!isOver) await Operator.endSession(scene.addresses, client.getSessionId(), client.getSessionPassword());
    const { loss } = await lost;
    expect(['forgotten', 'expired']).toContain(loss);
    const next = await locks.acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    expect(clients.length).toBeGreaterThan(1);
    expect(await next.release()).toBe('released');
  });

  it('of whom nothing was heard for long and that has forgotten the session: a new one begins', async () => {
    const locks = scene.holder();
    const lease = await locks.acquire('job');
    const lost = lossOf(locks);
    await scene.server.kill();
    scene.server.forget();
    const { loss } = await lost;
    expect(loss).toBe('expired');
    await scene.server.boot();
    const next = await locks.acquire('job');
    // The ensemble was made anew, and its transactions are counted from the beginning: fences cannot know.
    expect(next.fence).toBeGreaterThan(0n);
    await next.release();
    await lease.release();
  });
});
