import { describe, expect, it } from 'vitest';
import { etcdIsMissing } from '../../support/etcd-server.js';
import { lossOf, thrownBy, until } from '../../support/waits.js';
import { graceMs, renewalsOf, Scene } from '../scene.js';

describe.skipIf(etcdIsMissing)('what an operator does', () => {
  const scene = new Scene();
  const heldKey = async () => (await scene.cluster.keys()).find((key) => key.includes('/held/')) ?? '';
  const leaseOf = async (key: string) => {
    const { kvs } = JSON.parse(await scene.server.ctl('get', key, '-w', 'json')) as { kvs: { lease: number }[] };
    return (kvs[0]?.lease ?? 0).toString(16);
  };

  it('etcdctl lease revoke: the holder is told "forgotten" by its next renewal, its lease is not used again', async () => {
    const locks = scene.holder({ ttlMs: 6_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    const lost = lossOf(locks);
    await scene.server.ctl('lease', 'revoke', await leaseOf(await heldKey()));
    const next = await scene.holder().acquire('job', { waitMs: 5_000 });
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    expect(scene.lateWrite(lease, fence)).toBe(false);
    const { loss, afterMs } = await lost;
    expect(loss).toBe('forgotten');
    expect(afterMs).toBeLessThan(5_000);
    expect(await lease.release()).toMatch(/absent|not-owner/);
    await next.release();
    await (await locks.acquire('job')).release();
  });

  it('etcdctl del: the same, although the lease lives on, and a waiter is woken by it', async () => {
    const locks = scene.holder({ ttlMs: 6_000 });
    const lease = await locks.acquire('job');
    const waiting = scene.holder().acquire('job');
    await until(async () => (await scene.cluster.keys()).length === 2, 'somebody waits');
    const lost = lossOf(locks);
    await scene.server.ctl('del', await heldKey());
    const next = await waiting;
    expect((await lost).loss).toBe('forgotten');
    expect(await lease.release()).toMatch(/absent|not-owner/);
    await next.release();
  });

  it('etcdctl lease revoke of a lease that is kept for later: nobody notices', async () => {
    const locks = scene.holder();
    const first = await locks.acquire('job');
    const id = await leaseOf(await heldKey());
    await first.release();
    await scene.server.ctl('lease', 'revoke', id);
    await (await locks.acquire('job')).release();
  });

  it('a compaction while somebody waits: it is served', async () => {
    const holder = await scene.holder().acquire('job');
    const waiting = scene.holder().acquire('job');
    await until(async () => (await scene.cluster.keys()).length === 2, 'somebody waits');
    for (let i = 0; i < 3; i++) await scene.server.ctl('put', 'something/else', String(i));
    const said = JSON.parse(await scene.server.ctl('get', 'something/else', '-w', 'json')) as { header: { revision: number } };
    await scene.server.ctl('compact', String(said.header.revision));
    await holder.release();
    await (await waiting).release();
  });

  it('a foreign key among the locks excludes others, and ends when somebody deletes it', async () => {
    await scene.server.ctl('put', 'holdfast/job/held/exclusive/by-hand', 'what is this');
    const locks = scene.holder();
    expect(await thrownBy(locks.acquire('job', { waitMs: 0 }))).toMatchObject({ code: 'BUSY' });
    const waiting = locks.acquire('job');
    await scene.server.ctl('del', 'holdfast/job/held/exclusive/by-hand');
    await (await waiting).release();
  });

  it('kill -9 of the only member: hold, fence and place survive', async () => {
    const locks = scene.holder({ ttlMs: 8_000 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const waiting = scene.holder().acquire('job');
    await until(async () => (await scene.cluster.keys()).length === 2, 'somebody waits');
    await scene.server.kill();
    scene.server.launch();
    await scene.cluster.ready();
    const renewals = renewalsOf(locks);
    await until(() => renewals() > 0, 'a renewal');
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('kill -9 of the only member, which stays away: told by the deadline', async () => {
    const locks = scene.holder({ ttlMs: 1_500 });
    await locks.acquire('job');
    const lost = lossOf(locks);
    await scene.server.kill();
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(1_500 + 300);
    scene.server.launch();
    await scene.cluster.ready();
  });

  it('SIGSTOP and SIGCONT of the only member: told by the deadline, and it goes on', async () => {
    const locks = scene.holder({ ttlMs: 1_500 });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    const lost = lossOf(locks);
    scene.server.signal('SIGSTOP');
    const { loss, afterMs } = await lost;
    scene.server.signal('SIGCONT');
    expect([loss, afterMs < 1_500 + 300]).toEqual(['expired', true]);
    const next = await scene.holder().acquire('job', { waitMs: 1_500 + graceMs });
    expect(await scene.work(next)).toBe(true);
    expect(scene.lateWrite(lease, fence)).toBe(false);
    await next.release();
  });
});

describe.skipIf(etcdIsMissing)('a database that is full', () => {
  const scene = new Scene(1, '--quota-backend-bytes', String(4 * 1024 ** 2));

  it('grants nothing and says so; renewals, releases and withdrawals go on; when it has room again, so do asks', async () => {
    const locks = scene.holder({ ttlMs: 4_000, unavailableMs: 300 });
    const lease = await locks.acquire('job');
    const renewals = renewalsOf(locks);
    const waiting = thrownBy(scene.holder({ unavailableMs: 300 }).acquire('job', { waitMs: 3_000 }));
    for (let i = 0; i < 10; i++) await scene.server.ctl('put', 'junk', 'x'.repeat(120_000)).catch(() => undefined);
    await until(
      () =>
        scene.server.ctl('put', 'junk', 'x'.repeat(120_000)).then(
          () => false,
          (error: Error) => error.message.includes('space exceeded'),
        ),
      'the alarm is raised',
    );
    expect(await thrownBy(locks.acquire('other'))).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/alarm disarm/),
    });
    expect(await waiting).toMatchObject({ code: expect.stringMatching(/TIMED_OUT|BACKEND_UNAVAILABLE/) });
    const before = renewals();
    await until(() => renewals() > before + 1, 'renewals');
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
    const said = JSON.parse(await scene.server.ctl('get', 'junk', '-w', 'json')) as { header: { revision: number } };
    await scene.server.ctl('compact', String(said.header.revision));
    await scene.server.ctl('defrag');
    await scene.server.ctl('alarm', 'disarm');
    await (await locks.acquire('job')).release();
  });
});
