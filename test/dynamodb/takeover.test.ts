import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Ask, Backend } from '../../src/core/backend.js';
import { ownerDigest } from '../../src/core/clock.js';
import { awakeMs, thrownBy, until } from '../support/waits.js';
import { gate } from './front.js';
import { ask, granted, heldOf, recordsOf, refused, Scene } from './support.js';
import { standStill } from '../support/stand-still.js';

const ttlMs = 1_000;

describe('a hold whose holder is gone', () => {
  const scene = new Scene();
  afterEach(() => vi.restoreAllMocks());

  it('is taken over a whole TTL after it was first seen, however old it is', async () => {
    await granted(scene.store(), ask('old', { ttlMs }));
    await sleep(ttlMs + 200);
    const [store, next] = [scene.store(), ask('old')];
    const no = await refused(store, next);
    expect(no).toMatchObject({ because: 'held', retryInMs: ttlMs });
    await sleep(ttlMs / 2);
    const later = await refused(store, next);
    expect(later.retryInMs).toBeLessThanOrEqual(ttlMs / 2 + 5);
    await sleep(later.retryInMs ?? 0);
    await granted(store, next);
  });

  it('asked for once by each of many, is refused to all: nobody has seen it for long', async () => {
    await granted(scene.store(), ask('once', { ttlMs }));
    for (const endMs = performance.now() + 2 * ttlMs; performance.now() < endMs; await sleep(100)) {
      await refused(scene.store(), ask('once'));
    }
  });

  it('is freed for everybody by whoever lists it, and only after a TTL', async () => {
    const lister = scene.store();
    const holder = ask('listed', { ttlMs });
    await granted(scene.store(), holder);
    await sleep(ttlMs);
    const [seen] = await recordsOf(lister, 'listed');
    expect(seen).toMatchObject({ ownerDigest: ownerDigest(holder.owner), expiresInMs: ttlMs });
    await sleep(ttlMs);
    expect(await recordsOf(lister, 'listed')).toEqual([]);
    await granted(scene.store(), ask('listed'));
  });

  it('is shown as it stands where freeing it fails, and only one freeing is tried in vain', async () => {
    const front = await scene.front();
    const names = ['courtesy/a', 'courtesy/b', 'courtesy/c'];
    for (const name of names) await granted(scene.store(), ask(name, { ttlMs }));
    const lister = scene.store({ port: front.port, maxAttempts: 1 });
    await recordsOf(lister, 'courtesy/');
    await sleep(ttlMs + 50);
    for (const fault of [{ refuse: 'ThrottlingException' }, 'lose-reply'] as const) {
      front.log.length = 0;
      void front.next('UpdateItem', fault, 3);
      const found = await recordsOf(lister, 'courtesy/');
      expect(found.map(({ expiresInMs }) => expiresInMs)).toEqual(names.map(() => 0));
      expect(front.log.filter((operation) => operation === 'UpdateItem')).toHaveLength(1);
      front.heal();
    }
    expect(await recordsOf(lister, 'courtesy/')).toEqual([]);
  });

  it('is not freed by a lister while its holder shows life', async () => {
    const front = await scene.front();
    const [store, lister] = [scene.store(), scene.store({ port: front.port })];
    const holder = ask('lively', { ttlMs });
    await granted(store, holder);
    await recordsOf(lister, 'lively');
    await sleep(ttlMs + 10);
    const go = gate();
    const held = front.next('UpdateItem', { hold: go.opened });
    const listing = recordsOf(lister, 'lively');
    await held;
    expect(await store.renew([heldOf(holder)])).toMatchObject([{ outcome: 'renewed' }]);
    go.open();
    expect(await listing).toMatchObject([{ renewals: 1, expiresInMs: ttlMs }]);
    expect(await store.release(heldOf(holder))).toBe('released');
  });

  it('is still shown by those who may only read', async () => {
    const front = await scene.front();
    const lister = scene.store({ port: front.port });
    await granted(scene.store(), ask('read-only', { ttlMs }));
    await recordsOf(lister, 'read-only');
    await sleep(ttlMs);
    void front.next('UpdateItem', { refuse: 'AccessDeniedException' }, 10);
    expect(await recordsOf(lister, 'read-only')).toMatchObject([{ expiresInMs: 0 }]);
  });

  it('goes to one of many who saw its time run out at the same moment', async () => {
    const rounds: { readonly store: Backend; readonly one: Ask }[][] = [];
    for (const name of ['race 1', 'race 2', 'race 3']) {
      await granted(scene.store(), ask(name, { ttlMs }));
      const rivals = Array.from({ length: 8 }, () => ({ store: scene.store(), one: ask(name) }));
      await Promise.all(rivals.map(({ store, one }) => refused(store, one)));
      rounds.push(rivals);
    }
    await sleep(ttlMs + 10);
    for (const rivals of rounds) {
      const answers = await Promise.all(rivals.map(({ store, one }) => store.acquire(one)));
      expect(answers.filter(({ outcome }) => outcome === 'granted')).toHaveLength(1);
    }
  });

  it('stays where it is if its holder shows life between the look and the write', async () => {
    const front = await scene.front();
    const [store, rival] = [scene.store(), scene.store({ port: front.port })];
    const [holder, next] = [ask('alive', { ttlMs }), ask('alive')];
    await granted(store, holder);
    await refused(rival, next);
    await sleep(ttlMs + 10);
    const go = gate();
    const held = front.next('UpdateItem', { hold: go.opened });
    const asking = rival.acquire(next);
    await held;
    expect(await store.renew([heldOf(holder)])).toMatchObject([{ outcome: 'renewed' }]);
    go.open();
    expect(await asking).toMatchObject({ outcome: 'refused', because: 'held', retryInMs: ttlMs });
    expect(await store.release(heldOf(holder))).toBe('released');
  });

  it('is not found dead while it is renewed, whatever is done to the wall clock', async () => {
    const [store, rival, next] = [scene.store(), scene.store(), ask('renewed')];
    const holder = ask('renewed', { ttlMs });
    await granted(store, holder);
    for (const stepMs of [3_600_000, -3_600_000, 86_400_000, 0, 3_600_000]) {
      // Seen before and after the step, in one version.
      await refused(rival, next);
      const now = Date.now;
      const spy = vi.spyOn(Date, 'now').mockImplementation(() => now.call(Date) + stepMs);
      await sleep(ttlMs / 4);
      await refused(rival, next);
      spy.mockRestore();
      expect(await store.renew([heldOf(holder)])).toMatchObject([{ outcome: 'renewed' }]);
    }
    await store.release(heldOf(holder));
  });

  it('where clocks are trusted within a bound, is taken over at first sight beyond it', async () => {
    const hour = 3_600_000;
    const rival = () => scene.store({ dynamodb: { deadAfterMs: hour } });
    const holder = ask('long dead');
    const store = scene.store();
    await granted(store, holder);
    const lastSign = (ms: number) => scene.set('long dead', 'renewed_ms', { N: String(Date.now() - ms) });
    await lastSign(hour);
    await refused(rival(), ask('long dead'));
    await lastSign(hour + holder.ttlMs + 1_000);
    await refused(scene.store(), ask('long dead'));
    await store.renew([heldOf(holder)]);
    await refused(rival(), ask('long dead'));
    await lastSign(hour + holder.ttlMs + 1_000);
    await granted(rival(), ask('long dead'));
    expect(await store.renew([heldOf(holder)])).toMatchObject([{ outcome: 'not-yours' }]);
  });

  it('where clocks are trusted within a bound, is not taken over because its first call was made with a clock that was wrong', async () => {
    const rival = () => scene.store({ dynamodb: { deadAfterMs: 1_800_000 } });
    const now = Date.now;
    const behind = () => vi.spyOn(Date, 'now').mockImplementation(() => now.call(Date) - 3_600_000);
    const [holder, store] = [ask('wrong clock'), scene.store()];
    behind();
    const { fences } = await granted(store, holder);
    vi.restoreAllMocks();
    await refused(rival(), ask('wrong clock'));
    await store.renew([heldOf(holder)]);
    // Set back while it is held: the renewal that meets it first.
    behind();
    expect(await store.renew([heldOf(holder)])).toMatchObject([{ outcome: 'renewed' }]);
    vi.restoreAllMocks();
    await refused(rival(), ask('wrong clock'));
    behind();
    const heir = ask('wrong clock');
    const by = { kind: 'stolen', reason: 'a test', node: heir.node, heir } as const;
    const { ended, grant } = await scene.store().revoke(heir.name, by);
    vi.restoreAllMocks();
    expect(ended).toHaveLength(1);
    expect(grant?.fences.first).toBeGreaterThan(fences.last);
    await refused(rival(), ask('wrong clock'));
    expect(await store.release(heldOf(heir))).toBe('released');
  });
});

describe('a holder in another process', () => {
  const scene = new Scene();

  it('stopped past its TTL, is followed; its late write is refused, and it hears that the lease is not its own', async () => {
    const stopped = await scene.holderProcess('job', 1_500);
    const locks = scene.holder();
    const next = locks.acquire('job');
    standStill(stopped.child.pid);
    const lease = await next;
    expect(await scene.work(lease)).toBe(true);
    stopped.say('touch');
    stopped.child.kill('SIGCONT');
    expect(await stopped.next()).toEqual({ code: 'LEASE_LOST', loss: 'expired', aborted: true });
    stopped.say('write');
    expect(await stopped.next()).toEqual({ accepted: false });
    stopped.say('release');
    expect(await stopped.next()).toEqual({ released: 'not-owner' });
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
  });

  it('killed, costs a crowd of waiters its TTL once', async () => {
    const dead = await scene.holderProcess('crowd', 1_000);
    const holders = Array.from({ length: 4 }, () => scene.holder({ ttlMs: 2_000 }));
    const turns = holders.map((locks) => locks.request('crowd', (lease) => scene.work(lease)));
    await until(() => scene.item('crowd').then((item) => item?.['lease_status']?.S === 'held'), 'it is held');
    const killedMs = awakeMs();
    dead.child.kill('SIGKILL');
    expect(await Promise.all(turns)).toEqual([true, true, true, true]);
    expect(awakeMs() - killedMs).toBeLessThan(1_000 + 4_000);
    expect(await scene.sink.check()).toBe(5);
  });

  it('ends by itself after close: no timer and no connection of ours keeps it', async () => {
    const worker = await scene.holderProcess('leaving', 2_000);
    worker.say('leave');
    expect(await worker.next()).toEqual({ left: true });
    await worker.exited;
    expect((await scene.item('leaving'))?.['lease_status']?.S).toBe('free');
  });

  it('that is cut off hears of its loss before its successor begins', async () => {
    const proxy = await scene.proxy();
    const locks = scene.holder({ port: proxy.port, ttlMs: 1_500 });
    const lease = await locks.acquire('cut off');
    expect(await scene.work(lease)).toBe(true);
    const early = lease.fence;
    proxy.silence();
    const successor = await scene.holder().acquire('cut off');
    expect(lease.signal.aborted).toBe(true);
    expect(await thrownBy(() => lease.fence)).toMatchObject({ code: 'LEASE_LOST', loss: 'expired' });
    expect(await scene.work(successor)).toBe(true);
    expect(await scene.sink.write(early, 'late')).toBe(false);
    await successor.release();
    proxy.speak();
  });
});
