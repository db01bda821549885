import { describe, expect, it } from 'vitest';
import { redisFromUrl } from '../../src/backends/redis/index.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { redisIsMissing } from '../support/redis-server.js';
import { storeScene } from './store-scene.js';

/** What is left when keys were deleted or damaged by hand, or there is no room for more. */
describe.skipIf(redisIsMissing)('Redis after somebody else was at the keys', () => {
  const scene = storeScene();

  it('a reader whose lock was deleted does not come back with that of another reader', async () => {
    const lost = ask('d', { mode: 'shared' });
    await scene.store.acquire(lost);
    await scene.server.command('DEL', 'holdfast:d');
    const writer = ask('d');
    expect(await scene.store.acquire(writer)).toMatchObject({ outcome: 'granted' });
    const next = ask('d', { mode: 'shared', enqueue: true });
    expect(await scene.store.acquire(next)).toMatchObject({ outcome: 'refused' });
    expect(await scene.store.release(heldOf(writer))).toBe('released');
    expect(await scene.store.renew([heldOf(lost)])).toMatchObject([{ outcome: 'gone' }]);
    expect(await scene.store.acquire(next)).toMatchObject({ outcome: 'granted' });
    expect(await scene.store.release(heldOf(next))).toBe('released');
  });

  it('a full server goes on renewing, for readers too, and can be freed by hand', async () => {
    const holds = [ask('full'), ask('full-shared', { mode: 'shared' })];
    for (const each of holds) await scene.store.acquire(each);
    await scene.server.command('CONFIG', 'SET', 'maxmemory', '1');
    const renewals = await scene.store.renew(holds.map(heldOf));
    expect(renewals.map(({ outcome }) => outcome)).toEqual(['renewed', 'renewed']);
    for (const { name, node } of holds) {
      expect((await scene.store.revoke(name, { kind: 'revoked', reason: 'full', node })).ended).toHaveLength(1);
    }
  });

  it('a steal that cannot mint a fence robs nobody', async () => {
    const holder = ask('s');
    await scene.store.acquire(holder);
    await scene.server.command('SET', '{holdfast:s}:fence', 'junk');
    const heir = ask('s');
    const stealing = scene.store.revoke(heir.name, { kind: 'stolen', reason: 'r', node: heir.node, heir });
    await expect(stealing).rejects.toMatchObject({ code: 'BACKEND_CORRUPT' });
    expect(await scene.store.renew([heldOf(holder)])).toMatchObject([{ outcome: 'renewed' }]);
    await scene.store.release(heldOf(holder));
    await scene.server.command('DEL', '{holdfast:s}:fence');
  });

  it('a revocation ends what it says, whatever lies where its reason belongs', async () => {
    const [holder, waiter] = [ask('r'), ask('r', { enqueue: true })];
    await scene.store.acquire(holder);
    await scene.store.acquire(waiter);
    await scene.server.command('SET', '{holdfast:r}:ended:why', 'no hash', 'PX', '5000');
    const by = { kind: 'revoked', reason: 'damage', node: holder.node } as const;
    expect((await scene.store.revoke(holder.name, by)).ended).toHaveLength(1);
    expect(await scene.store.acquire(waiter)).toMatchObject({ outcome: 'granted' });
    await scene.store.release(heldOf(waiter));
  });

  it('a full server has nothing to say against a revocation of nobody', async () => {
    await scene.server.command('CONFIG', 'SET', 'maxmemory', '1');
    const { name, node } = ask('nobody');
    expect(await scene.store.revoke(name, { kind: 'revoked', reason: 'full', node })).toEqual({ ended: [] });
  });

  it('damage at one name does not reach the renewals of others', async () => {
    const holds = ['a', 'b', 'c'].map((name) => ask(name));
    for (const each of holds) await scene.store.acquire(each);
    await scene.server.command('DEL', 'holdfast:b');
    await scene.server.command('SET', '{holdfast:b}:ended:why', 'no hash', 'PX', '5000');
    const renewals = await scene.store.renew(holds.map(heldOf));
    expect(renewals.map(({ outcome }) => outcome)).toEqual(['renewed', 'gone', 'renewed']);
    for (const each of holds) await scene.store.release(heldOf(each));
  });

  it('a waiter is listed whatever its metadata says', async () => {
    const holder = ask('m');
    await scene.store.acquire(holder);
    const waiter = ask('m', { enqueue: true, metadata: { note: 'one\u2028two' } });
    await scene.store.acquire(waiter);
    expect((await recordsOf(scene.store, 'm')).map(({ state }) => state)).toEqual(['held', 'waiting']);
    await scene.store.abandon(waiter);
    await scene.store.release(heldOf(holder));
  });

  it('a URL with an option that is none leaves no connection behind', async () => {
    await expect(redisFromUrl(`${scene.server.url}?prefix=a%20b`)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const clients = await scene.server.command('CLIENT', 'LIST', 'TYPE', 'normal');
    // This one's, and the store's.
    expect(clients.match(/\bid=/g)?.length ?? 0).toBeLessThanOrEqual(2);
  });
});
