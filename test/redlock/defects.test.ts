import process from 'node:process';
import { afterEach, describe, expect, it } from 'vitest';
import { ask, heldOf } from '../support/asks.js';
import { redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { granted, grantedSoon, Scene } from './support.js';

// Defects of a quorum that were reproduced in other libraries. Each of them has a test here by its own name, on real servers.

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

describe.skipIf(redisIsMissing)('defects of other libraries, none of them ours', () => {
  const scene = new Scene(5);
  afterEach(() => expect(unhandled.splice(0)).toEqual([]));

  /** The name is held by somebody on these nodes. */
  const take = async (name: string, owner: string, ...indexes: readonly number[]) => {
    for (const index of indexes) await scene.nodes.server(index).command('SET', `holdfast:${name}`, owner, 'NX', 'PX', '60000');
  };
  const give = async (name: string) => void (await scene.nodes.command('DEL', `holdfast:${name}`));

  it('a split vote that never settles', async () => {
    const store = await scene.store();
    await take('job', 'one', 0, 1);
    await take('job', 'other', 2, 3);
    // One node votes for it, two for one rival, two for the other: nobody has a majority.
    const split = await store.acquire(ask('job'));
    expect(split).toMatchObject({ outcome: 'refused', because: 'held' });
    // Worth another try soon: nobody has it.
    expect(split.outcome === 'refused' && split.retryInMs).toBeLessThanOrEqual(100);
    // One node silent on top, which decides nothing.
    const { 4: proxy } = await scene.proxies();
    const partly = await scene.store({ through: { 4: proxy as never } });
    proxy?.silence();
    await expect(partly.acquire(ask('job'))).resolves.toMatchObject({ outcome: 'refused' });
    proxy?.speak();
    await give('job');
  });

  it('minority keys left behind after a failed quorum', async () => {
    const store = await scene.store();
    await take('job', 'one', 0, 1, 2);
    const one = ask('job');
    expect(await store.acquire(one)).toMatchObject({ outcome: 'refused' });
    await until(async () => (await scene.holding('job')).slice(3).every((held) => !held), 'the minority is given back');
    await give('job');
  });

  it('minority keys left behind on nodes that answered too late', async () => {
    const proxies = await scene.proxies();
    const store = await scene.store({ through: proxies });
    // Their votes arrive, and their answers do not in time.
    for (const index of [2, 3, 4]) if (proxies[index] !== undefined) proxies[index].latencyMs = 1_500;
    await expect(store.acquire(ask('job', { ttlMs: 60_000 }))).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    for (const index of [2, 3, 4]) if (proxies[index] !== undefined) proxies[index].latencyMs = 0;
    await until(async () => (await scene.holding('job')).every((held) => !held), 'all are given back');
    const again = ask('job');
    await grantedSoon(store, again);
    await store.release(heldOf(again));
  });

  it('an acquire that returns a lock that has already expired', async () => {
    const store = await scene.store();
    const answer = store.acquire(ask('job', { ttlMs: 1_000 }));
    // All nodes vote for it, and this process looks at their answers when most of the lease is over.
    for (const endMs = performance.now() + 800; performance.now() < endMs; );
    await expect(answer).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await until(async () => (await scene.holding('job')).every((held) => !held), 'it is given back');
  });

  it('a stale holder that frees the new holder’s lock', async () => {
    const store = await scene.store();
    // A node may take a fifth of it to answer.
    const stale = ask('job', { ttlMs: 2_000 });
    await granted(store, stale);
    await until(async () => (await scene.holding('job')).every((held) => !held), 'it has expired');
    const next = ask('job');
    await granted(store, next);
    expect(await store.release(heldOf(stale))).toBe('not-owner');
    expect(await store.renew([heldOf(stale)])).toMatchObject([{ outcome: 'not-yours' }]);
    expect(await store.renew([heldOf(next)])).toMatchObject([{ outcome: 'renewed' }]);
    await store.release(heldOf(next));
  });
});
