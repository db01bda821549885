import { describe, expect, it } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { thrownBy } from '../support/waits.js';
import { type Fault, type Front, gate } from './front.js';
import { ask, granted, heldOf, recordsOf, refused, Scene } from './support.js';

/** The service did it, and nobody hears of it: the connection is cut, or the answer is a 500. The SDK then sends it again. */
const faults: readonly Fault[] = ['lose-reply', 'fail-after'];

describe.each(faults)('an update that is done and not answered (%s)', (fault) => {
  const scene = new Scene();
  const lossy = async (maxAttempts = 3): Promise<[Backend, Front]> => {
    const front = await scene.front();
    return [scene.store({ port: front.port, maxAttempts }), front];
  };

  it('an ask: was it me? The second copy finds its own hold, with the same fence', async () => {
    const [store, front] = await lossy();
    const one = ask('ask', { fences: 7 });
    void front.next('UpdateItem', fault);
    const { fences } = await granted(store, one);
    expect(fences.last - fences.first).toBe(6n);
    expect(await recordsOf(store, 'ask')).toMatchObject([{ fence: fences.last, renewals: 0 }]);
    expect(await store.release(heldOf(one))).toBe('released');
    expect(await recordsOf(store, 'ask')).toEqual([]);
  });

  it('an ask of a client that does not send twice: it is unknown, and told the same when asked again', async () => {
    const [store, front] = await lossy(1);
    const one = ask('ask once');
    void front.next('UpdateItem', fault);
    expect(await thrownBy(store.acquire(one))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    const { fences } = await granted(store, one);
    expect(await recordsOf(store, 'ask once')).toMatchObject([{ fence: fences.last }]);
    await store.release(heldOf(one));
  });

  it('an ask, and then no look succeeds: it is unknown, so that it will be withdrawn', async () => {
    const [store, front] = await lossy();
    void front.next('UpdateItem', fault);
    void front.next('GetItem', { refuse: 'InternalServerError', status: 500 }, 3);
    expect(await thrownBy(store.acquire(ask('no look')))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await recordsOf(store, 'no look')).toHaveLength(1);
  });

  it('a renewal', async () => {
    const [store, front] = await lossy();
    const one = ask('renewal');
    await granted(store, one);
    void front.next('UpdateItem', fault);
    expect(await store.renew([heldOf(one)])).toEqual([{ outcome: 'renewed', ttlMs: one.ttlMs }]);
    await store.release(heldOf(one));
  });

  it('a release: it was us, also if the second copy finds the name free', async () => {
    const [store, front] = await lossy();
    const one = ask('release');
    await granted(store, one);
    void front.next('UpdateItem', fault);
    expect(await store.release(heldOf(one))).toBe('released');
    expect(await store.release(heldOf(one))).toBe('absent');
  });

  it('a withdrawal', async () => {
    const [store, front] = await lossy();
    const one = ask('withdrawal');
    await granted(store, one);
    void front.next('UpdateItem', fault);
    await store.abandon(one);
    expect(await refused(store, one)).toMatchObject({ because: 'abandoned' });
    expect(await recordsOf(store, 'withdrawal')).toEqual([]);
  });

  it.each([false, true])('a revocation: the second copy still tells whom it ended (of one fence: %s)', async (ofOne) => {
    const [store, front] = await lossy();
    const one = ask('revocation');
    const { fences } = await granted(store, one);
    void front.next('UpdateItem', fault);
    const only = ofOne ? { ifFence: fences.last } : {};
    const { ended } = await store.revoke(one.name, { kind: 'revoked', reason: 'a test', node: one.node, ...only });
    expect(ended).toMatchObject([{ name: 'revocation' }]);
  });

  it('a steal: one thief, one victim, one fence', async () => {
    const [store, front] = await lossy();
    const [victim, heir] = [ask('steal'), ask('steal')];
    await granted(store, victim);
    void front.next('UpdateItem', fault);
    const { ended, grant } = await store.revoke(heir.name, { kind: 'stolen', reason: 'a test', node: heir.node, heir });
    expect(ended).toHaveLength(1);
    expect(await recordsOf(store, 'steal')).toMatchObject([{ fence: grant?.fences.last }]);
    expect(await store.renew([heldOf(victim)])).toEqual([{ outcome: 'not-yours', by: { kind: 'stolen', reason: 'a test' } }]);
    await store.release(heldOf(heir));
  });
});

describe('a copy that arrives late', () => {
  const scene = new Scene();
  /** The next update is put off until it is let go; the client is told that it failed, and sends it again. */
  const putOff = (front: Front) => {
    const [late, arrived] = [gate(), gate()];
    void front.next('UpdateItem', { late: late.opened, arrived: arrived.open });
    return async () => {
      late.open();
      await arrived.opened;
    };
  };

  it('of an ask, after the release: the fence that it would mint is minted, so it leaves nothing', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port });
    const arrive = putOff(front);
    const one = ask('late ask');
    await granted(store, one);
    await store.release(heldOf(one));
    await arrive();
    expect(await recordsOf(store, 'late ask')).toEqual([]);
    await granted(store, ask('late ask'));
  });

  it('of an ask that was given up: it is refused', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port, maxAttempts: 1 });
    const arrive = putOff(front);
    const one = ask('given up');
    expect(await thrownBy(store.acquire(one))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await store.abandon(one);
    await arrive();
    expect(await recordsOf(store, 'given up')).toEqual([]);
  });

  it('of an ask that was refused, when the name has become free: it is refused, and the asker may ask again', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port });
    const [holder, one] = [ask('late refused'), ask('late refused')];
    const holding = scene.store();
    await granted(holding, holder);
    const arrive = putOff(front);
    expect(await refused(store, one)).toMatchObject({ because: 'held' });
    await holding.release(heldOf(holder));
    await arrive();
    expect(await recordsOf(holding, 'late refused')).toEqual([]);
    // Core asks again under a new owner.
    expect(await refused(store, one)).toMatchObject({ because: 'abandoned' });
    await granted(store, ask('late refused'));
  });

  it('of a renewal and of a release, when somebody else has the name: they find another owner', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port });
    const one = ask('late others');
    await granted(store, one);
    const renewal = putOff(front);
    await store.renew([heldOf(one)]);
    const release = putOff(front);
    await store.release(heldOf(one));
    const two = ask('late others');
    await granted(store, two);
    const before = await scene.item('late others');
    await renewal();
    await release();
    expect(await scene.item('late others')).toEqual(before);
  });

  it('of a steal, when the thief has given back: it robs nobody', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port });
    const [victim, heir, next] = [ask('late steal'), ask('late steal'), ask('late steal')];
    await granted(store, victim);
    const arrive = putOff(front);
    await store.revoke(heir.name, { kind: 'stolen', reason: 'a test', node: heir.node, heir });
    await store.release(heldOf(heir));
    await granted(store, next);
    const before = await scene.item('late steal');
    await arrive();
    expect(await scene.item('late steal')).toEqual(before);
  });
});

describe('how often the service is asked', () => {
  const scene = new Scene();

  it('once for an ask and once for a release; a waiter reads, until it may have the name', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port });
    const [one, two] = [ask('count'), ask('count')];
    await granted(store, one);
    await store.renew([heldOf(one)]);
    await store.release(heldOf(one));
    expect(front.log.splice(0)).toEqual(['UpdateItem', 'UpdateItem', 'UpdateItem']);
    await granted(scene.store(), one);
    const stranger = scene.store();
    await refused(store, two);
    // This stand-in keeps back what stood in the way, so that it has to be read.
    expect(front.log.splice(0)).toEqual(['UpdateItem', 'GetItem']);
    await refused(store, two);
    await refused(store, two);
    expect(front.log.splice(0)).toEqual(['GetItem', 'GetItem']);
    await stranger.release(heldOf(one));
    await granted(store, two);
    expect(front.log.splice(0)).toEqual(['GetItem', 'UpdateItem']);
  });
});
