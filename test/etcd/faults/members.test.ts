import { afterEach, describe, expect, it } from 'vitest';
import { etcdIsMissing } from '../../support/etcd-server.js';
import { awakeMs, lossOf, thrownBy, until } from '../../support/waits.js';
import { graceMs, renewalsOf, Scene } from '../scene.js';

const ttlMs = 3_000;

describe.skipIf(etcdIsMissing)('three members', () => {
  const scene = new Scene(3);
  afterEach(async () => {
    for (const member of scene.cluster.members) {
      member.signal('SIGCONT');
      if (!member.running) member.launch();
    }
    await scene.cluster.ready();
  });

  it('the leader is killed: the holder keeps its lease, and waiters go on', async () => {
    const leader = await scene.cluster.leader();
    const others = scene.cluster.members.filter((member) => member !== leader);
    // The one that is killed first.
    const locks = scene.holder({ ttlMs, endpoints: [leader, ...others].map(({ address }) => address) });
    const lease = await locks.acquire('job');
    const waiting = scene.holder({ ttlMs }).acquire('job');
    const renewals = renewalsOf(locks);
    await leader.kill();
    await until(() => renewals() >= 2, 'renewals go on through another member');
    expect(await scene.work(lease)).toBe(true);
    const { fence } = lease;
    expect(await lease.release()).toMatch(/released|absent/);
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    await next.release();
  });

  it('a crowd over a change of the leader: fences rise, guarded writes never interleave', async () => {
    const holders = [scene.holder({ ttlMs }), scene.holder({ ttlMs }), scene.holder({ ttlMs })];
    const crowd = scene.crowd(holders);
    await crowd.more(20);
    const leader = await scene.cluster.leader();
    await leader.kill();
    await crowd.more(20);
    leader.launch();
    await crowd.more(20);
    await crowd.stop();
    expect(scene.sink.refused).toBe(0);
  });

  it('the leader stands still, with the holder on its side alone: told by its deadline, and the next one is granted after it', async () => {
    const leader = await scene.cluster.leader();
    const others = scene.cluster.members.filter((member) => member !== leader);
    const locks = scene.holder({ ttlMs, endpoints: [leader.address] });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    const lost = lossOf(locks);
    const beganMs = awakeMs();
    leader.signal('SIGSTOP');
    const next = await scene
      .holder({ ttlMs, endpoints: others.map(({ address }) => address) })
      .acquire('job', { waitMs: 20_000 });
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(ttlMs + 200);
    // The new leader gives each lease its whole time again, and that of an election.
    expect(awakeMs() - beganMs).toBeLessThan(2 * ttlMs + graceMs);
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    expect(scene.lateWrite(lease, fence)).toBe(false);
    await next.release();
    leader.signal('SIGCONT');
    expect(await lease.release()).toMatch(/absent|not-owner|unknown/);
  });

  it('the leader stands still: a holder that knows the others keeps its lease', async () => {
    const leader = await scene.cluster.leader();
    const others = scene.cluster.members.filter((member) => member !== leader);
    const locks = scene.holder({ ttlMs: 6_000, endpoints: [leader, ...others].map(({ address }) => address) });
    const lease = await locks.acquire('job');
    const renewals = renewalsOf(locks);
    leader.signal('SIGSTOP');
    await until(() => renewals() >= 2, 'renewals go on through another member');
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toMatch(/released|absent/);
  });

  it('without a majority nothing is granted, the holder is told by its deadline, and it goes on when the others are back', async () => {
    const [one, two, three] = scene.cluster.members;
    const locks = scene.holder({ ttlMs, unavailableMs: 1_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const lost = lossOf(locks);
    await Promise.all([two?.kill(), three?.kill()]);
    const beganMs = awakeMs();
    expect(await thrownBy(locks.acquire('other'))).toMatchObject({
      code: expect.stringMatching(/BACKEND_UNAVAILABLE|OUTCOME_UNKNOWN/),
    });
    expect(awakeMs() - beganMs).toBeLessThan(1_000 + ttlMs / 2 + 1_500);
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(ttlMs + 300);
    two?.launch();
    three?.launch();
    await scene.cluster.ready();
    const next = await scene.holder({ ttlMs, endpoints: [one?.address ?? ''] }).acquire('job', { waitMs: 15_000 });
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });
});
