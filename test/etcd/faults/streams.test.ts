import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { etcd } from '../../../src/backends/etcd/index.js';
import { ask, heldOf } from '../../support/asks.js';
import { etcdIsMissing } from '../../support/etcd-server.js';
import { awakeMs, lossOf, thrownBy, until } from '../../support/waits.js';
import { Relay } from '../relay.js';
import { graceMs, renewalsOf, Scene } from '../scene.js';

describe.skipIf(etcdIsMissing)('streams', () => {
  const scene = new Scene();
  const relays: Relay[] = [];
  afterEach(() => {
    for (const relay of relays.splice(0)) relay.stop();
  });
  const relayed = async () => {
    const relay = await Relay.start(scene.server.address);
    relays.push(relay);
    return relay;
  };

  it('renewals that are swallowed in silence: the next member is asked in time, and nothing is lost', async () => {
    const [one, two] = [await relayed(), await relayed()];
    const locks = scene.holder({ ttlMs: 3_000, endpoints: [one.address, two.address] });
    const lease = await locks.acquire('job');
    const renewals = renewalsOf(locks);
    await until(() => renewals() >= 1, 'a renewal');
    // Whichever is in use.
    const used = one.asked > 0 ? one : two;
    used.conduct = 'silent';
    const before = renewals();
    await until(() => renewals() >= before + 3, 'renewals through the other one');
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
  });

  it('the renewal of one lease that is swallowed: the others of its batch are renewed', async () => {
    const relay = await relayed();
    const store = etcd({ grpc, endpoints: [relay.address] });
    const asks = ['a', 'b', 'c'].map((name) => ask(name, { ttlMs: 6_000 }));
    for (const each of asks) await store.acquire(each);
    const [key = ''] = (await scene.cluster.keys()).filter((one) => one.includes('/b/'));
    const { kvs } = JSON.parse(await scene.server.ctl('get', key, '-w', 'json')) as { kvs: { lease: number }[] };
    relay.mute = kvs[0]?.lease;
    const answers = await store.renew(asks.map(heldOf));
    expect(answers.map(({ outcome }) => outcome)).toEqual(['renewed', 'unknown', 'renewed']);
    relay.mute = undefined;
    expect((await store.renew(asks.map(heldOf))).map(({ outcome }) => outcome)).toEqual(['renewed', 'renewed', 'renewed']);
    for (const each of asks) expect(await store.release(heldOf(each))).toBe('released');
    await store.close();
  });

  it('renewals that are swallowed everywhere: the loss is told by the deadline', async () => {
    const relay = await relayed();
    const locks = scene.holder({ ttlMs: 1_500, endpoints: [relay.address] });
    const lease = await locks.acquire('job');
    relay.conduct = 'silent';
    const { loss, afterMs } = await lossOf(locks);
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(1_500 + 200);
    const next = await scene.holder().acquire('job', { waitMs: 1_500 + graceMs });
    await next.release();
    expect(await lease.release()).toMatch(/absent|not-owner/);
  });

  it('a leader that was voted out says yes: that is no renewal, and the holder knows before anybody else is granted', async () => {
    const relay = await relayed();
    const locks = scene.holder({ ttlMs: 1_500, endpoints: [relay.address] });
    const lease = await locks.acquire('job');
    relay.conduct = 'deposed';
    const lost = lossOf(locks);
    const next = await scene.holder().acquire('job', { waitMs: 1_500 + graceMs });
    expect(lease.signal.aborted).toBe(true);
    expect((await lost).loss).toBe('expired');
    expect(relay.asked).toBeGreaterThan(0);
    await next.release();
  });

  it('watches that break: waiters are served all the same, and no later than by a poll', async () => {
    const relay = await relayed();
    const holder = await scene.holder().acquire('job');
    const waiting = scene.holder({ endpoints: [relay.address] }).acquire('job');
    await until(async () => (await scene.cluster.keys()).length === 2, 'somebody waits');
    relay.breakWatches();
    const { fence } = holder;
    await holder.release();
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(fence);
    await next.release();
  });

  it('an ask that is held up, sent again elsewhere, granted and released: when it arrives after all, it leaves nothing', async () => {
    const [one, two] = [await relayed(), await relayed()];
    const locks = scene.holder({ ttlMs: 60_000, endpoints: [one.address, two.address] });
    await (await locks.acquire('warm-up')).release();
    let arrive = () => {};
    const until = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const met = new Promise<void>((resolve) => {
      const holdUp = { text: '/job/held/exclusive/', until, met: resolve, used: false };
      one.holdUp = holdUp;
      two.holdUp = holdUp;
    });
    const lease = await locks.acquire('job');
    await met;
    expect(await lease.release()).toBe('released');
    // The next hold is under another lease than the late copy, which is not kept alive with it.
    const other = await locks.acquire('other');
    arrive();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await scene.cluster.keys()).filter((key) => key.includes('/job/'))).toEqual([]);
    await other.release();
  });

  it('a revocation of one reader that is held up until that one has left: the other readers stay', async () => {
    const relay = await relayed();
    const operator = etcd({ grpc, endpoints: [relay.address] });
    const store = etcd({ grpc, endpoints: [scene.server.address] });
    const [meant, other] = [ask('job', { mode: 'shared' }), ask('job', { mode: 'shared' })];
    const grant = await store.acquire(meant);
    await store.acquire(other);
    if (grant.outcome !== 'granted') return expect.unreachable('readers share');
    let met = () => {};
    const until = new Promise<void>((resolve) => {
      met = resolve;
    }).then(async () => void (await store.release(heldOf(meant))));
    relay.holdUp = { text: 'too late', until, met, used: false };
    const by = { kind: 'revoked', reason: 'too late', node: meant.node, ifFence: grant.fences.last } as const;
    expect(await operator.revoke(meant.name, by)).toEqual({ ended: [] });
    expect(relay.holdUp.used).toBe(true);
    expect(await store.release(heldOf(other))).toBe('released');
    await Promise.all([operator.close(), store.close()]);
  });

  it('an ask to a member that stops before it answers: it may have been granted, that is said, and it is withdrawn', async () => {
    const relay = await relayed();
    const locks = scene.holder({ endpoints: [relay.address], ttlMs: 60_000, etcd: { commandTimeoutMs: 300 } });
    await (await locks.acquire('warm-up')).release();
    relay.stopping = { text: '/job/held/exclusive/', forwarded: false };
    const told = await thrownBy(locks.acquire('job', { waitMs: 0 }));
    relay.stopping = undefined;
    expect(told).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await until(async () => (await scene.cluster.keys()).length === 0, 'it is withdrawn', 3_000);
  });

  it('a waiter hears of a release at once', async () => {
    const holder = await scene.holder().acquire('job');
    const other = scene.holder();
    await (await other.acquire('warm-up')).release();
    const waiting = other.acquire('job');
    // Long after its second try, and well before the next poll.
    await until(async () => (await scene.cluster.keys()).length === 2, 'somebody waits');
    await new Promise((resolve) => setTimeout(resolve, 300));
    let asks = 0;
    other.on('granted', () => {
      asks += 1;
    });
    await holder.release();
    const beganMs = awakeMs();
    const next = await waiting;
    expect(awakeMs() - beganMs).toBeLessThan(600);
    expect(asks).toBe(1);
    await next.release();
  });
});
