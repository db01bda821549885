import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EtcdCluster, etcdIsMissing } from '../../support/etcd-server.js';
import { Holders } from '../../support/holders.js';
import { Hosts, hostsAreMissing } from '../../support/hosts.js';
import { awakeMs, until } from '../../support/waits.js';
import { graceMs, renewalsOf, Scene } from '../scene.js';

const ttlMs = 2_000;

describe.skipIf(etcdIsMissing || hostsAreMissing)('three hosts, and the one that leads is cut off', () => {
  let hosts: Hosts;
  beforeAll(() => {
    hosts = new Hosts(3);
  });
  const scene = new Scene(() => EtcdCluster.startOn(hosts));
  const holders = new Holders('etcd');
  afterEach(async () => {
    for (let i = 0; i < hosts.count; i++) hosts.mend(i);
    await scene.cluster.ready();
  });
  afterAll(() => hosts.remove());

  const parted = async () => {
    const leader = await scene.cluster.leader();
    const others = scene.cluster.members.filter((member) => member !== leader);
    return { host: scene.cluster.members.indexOf(leader), leader, others };
  };

  it('with the holder on its side: the holder knows that its lease is over before anybody else is granted', async () => {
    const { host, leader, others } = await parted();
    const worker = await holders.start({ url: `etcd://${leader.address}`, name: 'job', ttlMs, command: hosts.command(host) });
    const locks = scene.holder({ ttlMs, endpoints: others.map(({ address }) => address) });
    const waiting = locks.acquire('job', { waitMs: 20_000 });
    await until(async () => (await locks.query()).pending.length === 1, 'somebody waits');
    hosts.cut(host);
    const beganMs = awakeMs();
    const next = await waiting;
    worker.say('touch');
    expect(await worker.next()).toMatchObject({ code: 'LEASE_LOST', loss: 'expired', aborted: true });
    // The new leader gives each lease its whole time again, and that of an election.
    expect(awakeMs() - beganMs).toBeLessThan(2 * ttlMs + graceMs);
    expect(next.fence).toBeGreaterThan(worker.fence);
    expect(await scene.work(next)).toBe(true);
    hosts.mend(host);
    await scene.cluster.ready();
    expect(await next.release()).toBe('released');
    // What it had asked the old leader for came to nothing.
    expect((await locks.query()).held).toEqual([]);
  });

  it('with the holder and a waiter on the side of the others: nothing is lost', async () => {
    const { host, leader, others } = await parted();
    const endpoints = [leader, ...others].map(({ address }) => address);
    const locks = scene.holder({ ttlMs: 6_000, endpoints });
    const lease = await locks.acquire('job');
    const waiting = scene.holder({ ttlMs: 6_000, endpoints }).acquire('job');
    const renewals = renewalsOf(locks);
    hosts.cut(host);
    await until(() => renewals() >= 2, 'renewals go on through another member');
    expect(await scene.work(lease)).toBe(true);
    const { fence } = lease;
    expect(await lease.release()).toMatch(/released|absent/);
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    hosts.mend(host);
    await next.release();
  });
});
