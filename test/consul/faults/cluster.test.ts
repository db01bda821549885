import { afterEach, describe, expect, it } from 'vitest';
import { consulIsMissing } from '../../support/consul-server.js';
import { awakeMs, graceMs, lossOf, renewalsOf, Scene, thrownBy, until } from '../scene.js';

/** An election takes some seconds with Consul's timing, and several tries on a busy machine. */
const ttlMs = 8_000;
const electionMs = 25_000;

describe.skipIf(consulIsMissing)('three servers', () => {
  const scene = new Scene(3);
  afterEach(async () => {
    for (const member of scene.cluster.members) {
      member.signal('SIGCONT');
      if (!member.running) member.launch();
    }
    await scene.cluster.ready();
  });
  const leaderAndOthers = async () => {
    const leader = await scene.cluster.leader();
    return { leader, others: scene.cluster.members.filter((member) => member !== leader) };
  };

  it('the leader is killed: the holder keeps its lease, waiters go on, guarded writes never interleave', async () => {
    const { leader, others } = await leaderAndOthers();
    const addresses = [leader, ...others].map(({ address }) => address);
    const locks = scene.holder({ ttlMs: 20_000, consul: { addresses } });
    const lease = await locks.acquire('kept');
    const crowd = scene.crowd([1, 2, 3].map(() => scene.holder({ ttlMs: 20_000, unavailableMs: 20_000, consul: { addresses } })));
    await crowd.more(10);
    const renewals = renewalsOf(locks);
    await leader.kill();
    await until(() => renewals() >= 1, 'renewals go on through another server', 20_000);
    await crowd.more(10, 20_000);
    await crowd.stop();
    expect(scene.sink.refused).toBe(0);
    expect(await lease.release()).toMatch(/released|absent/);
  });

  it('the leader stands still, with the holder on its side alone: told by its deadline, and the next one is granted after it', async () => {
    const { leader, others } = await leaderAndOthers();
    const locks = scene.holder({ ttlMs, consul: { addresses: [leader.address] } });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    const elsewhere = { addresses: others.map(({ address }) => address) };
    const waiting = scene.holder({ ttlMs, consul: elsewhere, unavailableMs: 50_000 }).acquire('job', { waitMs: 50_000 });
    await until(async () => (await locks.query()).pending.length === 1, 'somebody waits');
    const lost = lossOf(locks);
    const beganMs = awakeMs();
    leader.signal('SIGSTOP');
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(ttlMs + 300);
    const next = await waiting;
    expect(awakeMs() - beganMs).toBeLessThan(ttlMs + Math.max(graceMs, electionMs));
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    expect(scene.lateWrite(lease, fence)).toBe(false);
    await next.release();
    leader.signal('SIGCONT');
    expect(await lease.release()).toMatch(/absent|not-owner|unknown/);
  });

  it('without a majority nothing is granted, and the holder is told by its deadline', async () => {
    const [one, two, three] = scene.cluster.members;
    const locks = scene.holder({ ttlMs: 3_000, unavailableMs: 1_000 });
    await locks.acquire('job');
    const lost = lossOf(locks);
    await Promise.all([two?.kill(), three?.kill()]);
    const beganMs = awakeMs();
    expect(await thrownBy(scene.holder({ unavailableMs: 1_000 }).acquire('other'))).toMatchObject({
      code: expect.stringMatching(/BACKEND_UNAVAILABLE|OUTCOME_UNKNOWN/),
    });
    expect(awakeMs() - beganMs).toBeLessThan(1_000 + 5_000);
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(3_300);
    two?.launch();
    three?.launch();
    await scene.cluster.ready();
    const next = await scene.holder({ consul: { addresses: [one?.address ?? ''] } }).acquire('job', { waitMs: 20_000 });
    await next.release();
  });
});
