import { describe, expect, it } from 'vitest';
import { consul } from '../../../src/backends/consul/index.js';
import { systemPorts } from '../../../src/core/clock.js';
import { parseName } from '../../../src/core/name.js';
import { consulIsMissing } from '../../support/consul-server.js';
import { awakeMs, graceMs, lossOf, renewalsOf, Scene, thrownBy, until } from '../scene.js';

const ttlMs = 1_500;
const unavailableMs = 600;
/** A call may take half of the TTL, and begins before the time for trying is over. Room for a busy machine. */
const enoughMs = unavailableMs + ttlMs / 2 + 1_500;

/** In every transaction that writes or removes the hold. */
const ofHold = 'locks/job/lock';

describe.skipIf(consulIsMissing)('a connection', () => {
  const scene = new Scene();

  it('that is half-open lets nothing hang, and is forgotten when the agent can be reached again', async () => {
    const { proxy, consul: through } = await scene.proxy();
    const locks = scene.holder({ consul: through, ttlMs, unavailableMs });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    const lost = lossOf(locks);
    // Those who wait have seen it before it is cut off: they count from then.
    const waiting = scene.holder().acquire('job', { waitMs: ttlMs * 2 + graceMs });
    proxy.silence();
    const beganMs = awakeMs();
    const asked = thrownBy(locks.acquire('other'));
    expect(await thrownBy(locks.query())).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const { loss, afterMs } = await lost;
    expect(loss).toBe('expired');
    expect(afterMs).toBeLessThan(ttlMs + 300);
    const next = await waiting;
    expect(awakeMs() - beganMs).toBeLessThan(ttlMs + graceMs);
    expect(await asked).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(awakeMs() - beganMs).toBeLessThan(enoughMs + 2_000);
    expect(await lease.release()).toBe('unknown');
    expect(await scene.work(next)).toBe(true);
    expect(scene.lateWrite(lease, fence)).toBe(false);
    await next.release();
    proxy.speak();
    await until(
      () =>
        locks.acquire('job').then(
          async (again) => (await again.release()) === 'released',
          () => false,
        ),
      'the same instance goes on',
      15_000,
    );
  });

  it('that is refused: nothing was done, and that is said', async () => {
    const locks = scene.holder({ consul: { addresses: ['http://127.0.0.1:9'] }, ttlMs, unavailableMs });
    const beganMs = awakeMs();
    expect(await thrownBy(locks.acquire('job'))).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: false });
    expect(awakeMs() - beganMs).toBeLessThan(enoughMs);
  });

  it('to an agent that is away: the next one is asked', async () => {
    const locks = scene.holder({ consul: { addresses: ['http://127.0.0.1:9', scene.server.address] } });
    expect(await (await locks.acquire('job')).release()).toBe('released');
  });

  it('that loses the reply to an ask: the same owner asks again, and is told the same grant', async () => {
    const { proxy, consul: through } = await scene.proxy();
    const locks = scene.holder({ consul: through });
    await (await locks.acquire('warm-up')).release();
    const lost = proxy.once(ofHold, 'lose-reply');
    const lease = await locks.acquire('job');
    await lost;
    expect(await scene.server.keys()).toHaveLength(1);
    expect((await locks.query()).held).toMatchObject([{ name: 'job' }]);
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
  });

  it('that swallows the reply to an ask which is then given up: nothing is left', async () => {
    const { proxy, consul: through } = await scene.proxy();
    const locks = scene.holder({ consul: through, ttlMs: 1_000, unavailableMs: 100 });
    await (await locks.acquire('warm-up')).release();
    const lost = proxy.once(ofHold, 'swallow-replies');
    const refused = thrownBy(locks.acquire('job'));
    await lost;
    await until(async () => (await scene.server.keys()).length === 1, 'it was granted');
    expect(await refused).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await until(async () => (await scene.server.keys()).length === 0, 'it is withdrawn', 2_000);
  });

  it('that loses the reply to a release: it is settled by looking again', async () => {
    const { proxy, consul: through } = await scene.proxy();
    const locks = scene.holder({ consul: through });
    const lease = await locks.acquire('job');
    const lost = proxy.once(ofHold, 'lose-reply');
    expect(await lease.release()).toBe('absent');
    await lost;
    expect(await scene.server.keys()).toEqual([]);
  });

  it.each([false, true])(
    'that loses the reply to a revocation: whoever was ended is told all the same (of one fence: %s)',
    async (one) => {
      const { proxy, consul: through } = await scene.proxy();
      const backend = consul(through);
      const { fence: ifFence } = await scene.holder().acquire('job');
      const lost = proxy.once(ofHold, 'lose-reply');
      const by = { kind: 'revoked', reason: 'test', node: systemPorts().identity(), ...(one ? { ifFence } : {}) } as const;
      const { ended } = await backend.revoke(parseName('job'), by);
      await lost;
      expect(ended).toMatchObject([{ name: 'job', state: 'held' }]);
      await backend.close();
    },
  );

  it('that loses the reply to a renewal: the lease goes on', async () => {
    const { proxy, consul: through } = await scene.proxy();
    const locks = scene.holder({ consul: through, ttlMs: 4_000 });
    const lease = await locks.acquire('job');
    const renewals = renewalsOf(locks);
    await proxy.once(ofHold, 'lose-reply');
    const before = renewals();
    await until(() => renewals() > before + 1, 'renewals');
    expect(await lease.release()).toBe('released');
  });

  it('that is cut in the middle of an ask, a renewal and a release: they are sent again', async () => {
    const { proxy, consul: through } = await scene.proxy();
    const locks = scene.holder({ consul: through, ttlMs: 4_000 });
    await (await locks.acquire('warm-up')).release();
    let cut = proxy.once(ofHold, 'cut');
    const lease = await locks.acquire('job');
    await cut;
    const renewals = renewalsOf(locks);
    await proxy.once(ofHold, 'cut');
    const before = renewals();
    await until(() => renewals() > before + 1, 'renewals');
    cut = proxy.once(ofHold, 'cut');
    expect(await lease.release()).toMatch(/released|absent/);
    await cut;
  });

  it('that is reset again and again under a crowd: nobody loses a lease, and waiters go on', async () => {
    const { proxy, consul: through } = await scene.proxy();
    const crowd = scene.crowd([scene.holder({ consul: through }), scene.holder({ consul: through }), scene.holder()]);
    for (let i = 0; i < 8; i++) {
      await crowd.more(5);
      proxy.reset();
    }
    await crowd.more(5);
    await crowd.stop();
    expect(crowd.failures).toEqual([]);
    expect(scene.sink.refused).toBe(0);
  });
});
