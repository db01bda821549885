import { describe, expect, it } from 'vitest';
import { ownerDigest } from '../../src/core/clock.js';
import { readNodeIdentity } from '../../src/core/node.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { granted, Scene } from './support.js';

describe.skipIf(redisIsMissing)('what arrives late at one node', () => {
  const scene = new Scene(3);

  it('of a theft, robs nobody who came after it', async () => {
    const proxy = await scene.proxy(0);
    const [thieves, others] = [await scene.store({ newNodes: 'trust', through: { 0: proxy } }), await scene.store()];
    const heir = ask('a');
    // Connected, so that what follows is already on its way when it is late.
    const first = ask('b');
    await granted(thieves, first);
    await thieves.release(heldOf(first));
    await until(async () => !(await scene.nodes.command('EXISTS', 'holdfast:b')).includes(':1\r\n'), 'released everywhere');
    const late = proxy.hold('holdfast:a');
    const by = { kind: 'stolen', reason: 'a test', node: readNodeIdentity() } as const;
    expect((await thieves.revoke(heir.name, { ...by, heir })).grant).toBeDefined();
    expect(await thieves.release(heldOf(heir))).toBe('released');
    const next = ask('a');
    await granted(others, next);
    await until(async () => !(await scene.holding('a')).includes(false), 'all nodes have it');
    const ended = () => scene.nodes.server(0).command('EXISTS', '{holdfast:a}:ended');
    expect(await ended()).toBe(':0\r\n');
    await (await late).deliver();
    await until(async () => (await ended()) === ':1\r\n', 'the theft and its release have arrived');
    expect(await scene.holding('a')).toEqual([true, true, true]);
    expect(await recordsOf(others, 'a')).toHaveLength(1);
    expect(await others.release(heldOf(next))).toBe('released');
  });

  it.each([false, true])('of a revocation whose replies were lost, tells who was ended (of one fence: %s)', async (one) => {
    const through = await scene.proxies();
    const [operator, store] = [await scene.store({ newNodes: 'trust', through }), await scene.store({ newNodes: 'trust' })];
    const holder = ask('a');
    await granted(store, ask('b'));
    const by = { kind: 'revoked', reason: 'a test', node: readNodeIdentity() } as const;
    // The nodes know the script then.
    await operator.revoke(ask('b').name, by);
    const { fences } = await granted(store, holder);
    const lost = Object.values(through).map((proxy) => proxy.once('"a test"', 'lose-reply'));
    const { ended } = await operator.revoke(holder.name, one ? { ...by, ifFence: fences.last } : by);
    await Promise.all(lost);
    expect(ended).toMatchObject([{ fence: fences.last, ownerDigest: ownerDigest(holder.owner) }]);
    expect(await recordsOf(store, 'a')).toEqual([]);
  });
});
