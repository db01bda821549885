import { describe, expect, it } from 'vitest';
import { awakeMs, until } from '../support/waits.js';
import { zookeeperIsMissing } from '../support/zookeeper-server.js';
import { Scene, sessionMs, tickMs } from './scene.js';
import { standStill } from '../support/stand-still.js';

describe.skipIf(zookeeperIsMissing)('a process that holds a lease', () => {
  const scene = new Scene('one');

  it('stopped past its session: its late write is refused, the first touch says that the lease is lost, and it can ask again', async () => {
    const stopped = await scene.holderProcess('job');
    standStill(stopped.child.pid);
    const locks = scene.holder({ ttlMs: 10_000 });
    const lease = await locks.acquire('job');
    expect(await scene.work(lease)).toBe(true);
    stopped.say('touch');
    stopped.child.kill('SIGCONT');
    expect(await stopped.next()).toEqual({ code: 'LEASE_LOST', loss: 'expired', aborted: true });
    stopped.say('write');
    expect(await stopped.next()).toEqual({ accepted: false });
    lease.assertHeld();
    expect(await scene.work(lease)).toBe(true);
    stopped.say('release');
    expect(await stopped.next()).toEqual({ released: expect.stringMatching(/^(?:not-owner|absent|unknown)$/) });
    lease.assertHeld();
    stopped.say('again');
    await lease.release();
    expect(BigInt((await stopped.next())['fence'] as string)).toBeGreaterThan(0n);
    stopped.say('leave');
    expect(await stopped.next()).toEqual({ left: true });
    await stopped.exited;
  });

  it('whose event loop is blocked cannot pick up the fence, and the servers end its session', async () => {
    const blocked = await scene.holderProcess('job');
    const next = scene.holder({ ttlMs: 10_000 }).acquire('job');
    blocked.say('block 3000');
    const lease = await next;
    expect(await scene.work(lease)).toBe(true);
    expect(await blocked.next()).toEqual({ code: 'LEASE_LOST', loss: 'expired', aborted: true });
    lease.assertHeld();
    await lease.release();
    blocked.say('leave');
    await blocked.next();
    await blocked.exited;
    expect((await scene.sink.check()).refused).toBe(0);
  });

  it('killed: the name is free when its session is over, also for those who do not wait', async () => {
    const killed = await scene.holderProcess('job');
    killed.child.kill('SIGKILL');
    const sinceMs = awakeMs();
    const locks = scene.holder();
    await until(async () => {
      const got = await locks.request('job', { ifAvailable: true }, (lease) => lease !== null);
      return got;
    }, 'it is free');
    expect(awakeMs() - sinceMs).toBeLessThan(sessionMs + 2 * tickMs + 1_000);
  });

  it('that leaves ends by itself', async () => {
    const worker = await scene.holderProcess('job');
    worker.say('leave');
    expect(await worker.next()).toEqual({ left: true });
    await worker.exited;
    expect(worker.child.exitCode).toBe(0);
  });
});
