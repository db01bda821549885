import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Holdfast } from '../../src/core/holdfast.js';
import { lossOf, until } from '../support/waits.js';
import { type ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';
import { Scene } from './scene.js';

/** Long enough for an election. */
const ttlMs = 8_000;

async function renewal(locks: Holdfast): Promise<void> {
  let renewed = 0;
  const stop = locks.on('renewed', () => {
    renewed += 1;
  });
  await until(() => renewed > 0, 'a renewal');
  stop();
}

describe.skipIf(zookeeperIsMissing)('three members', () => {
  const scene = new Scene('three');
  const followersThenLeader = async (): Promise<readonly ZooKeeperServer[]> => [
    ...(await scene.ensemble.followers()),
    await scene.ensemble.leader(),
  ];

  it('the leader is killed: the hold is kept through the election, and fences rise over it', async () => {
    const locks = scene.holder({ ttlMs });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const leader = await scene.ensemble.leader();
    await leader.kill();
    await renewal(locks);
    expect(lease.fence).toBe(fence);
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
    const next = await scene.holder({ ttlMs }).acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
    await leader.boot();
  });

  it('the member that a client is attached to is stopped: it goes to another one within its session, and keeps the hold', async () => {
    const [first, second] = await followersThenLeader();
    const proxy = await scene.proxy(first);
    const locks = scene.holder({ ttlMs }, `127.0.0.1:${proxy.port},${(second as ZooKeeperServer).address}`);
    const lease = await locks.acquire('job');
    // Which of the two it went to is its own choice.
    if (proxy.connections > 0) proxy.silence();
    else second?.signal('SIGSTOP');
    try {
      await renewal(locks);
      lease.assertHeld();
      expect(await lease.release()).toBe('released');
    } finally {
      second?.signal('SIGCONT');
    }
  });

  it('a member that has lost the others answers reads and no renewal: the holder on its side is told, and the others go on', async () => {
    const shortMs = 1_500;
    const [attached, ...others] = await followersThenLeader();
    const locks = scene.holder({ ttlMs: shortMs }, (attached as ZooKeeperServer).address);
    const lease = await locks.acquire('job');
    const { fence } = lease;
    for (const other of others) other.signal('SIGSTOP');
    const { loss, afterMs } = await lossOf(locks);
    expect(loss).toBe('expired');
    // It answers reads for longer than that.
    expect(afterMs).toBeLessThanOrEqual(shortMs);
    for (const other of others) other.signal('SIGCONT');
    const next = await scene.holder({ ttlMs: shortMs }).acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    await next.release();
    await scene.ensemble.ready();
  });

  it('a crowd takes turns while leaders come and go: no two at once', async () => {
    const holders = Array.from({ length: 3 }, () => scene.holder({ ttlMs, unavailableMs: 30_000 }));
    const crowd = scene.crowd(holders, 'job');
    await crowd.more(20);
    const killed = await scene.ensemble.leader();
    await killed.kill();
    await crowd.more(10, 20_000);
    await killed.boot();
    const stopped = await scene.ensemble.leader();
    stopped.signal('SIGSTOP');
    await sleep(3_000);
    stopped.signal('SIGCONT');
    await crowd.more(20, 30_000);
    await crowd.stop();
    await scene.ensemble.ready();
    const { turns, refused } = await scene.sink.check();
    expect(turns).toBeGreaterThanOrEqual(50);
    expect(refused).toBe(0);
  });
});
