import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Ask, Backend } from '../../src/core/backend.js';
import { ask, heldOf } from '../support/asks.js';
import { redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { granted, Scene } from './support.js';

describe.skipIf(redisIsMissing)('renewal by a majority', () => {
  const scene = new Scene(3);
  const forget = (index: number) => scene.nodes.server(index).command('DEL', 'holdfast:a');

  /** Granted, and on all three nodes: a vote that is on its way would come after what is forgotten. */
  const held = async (store: Backend, one: Ask) => {
    const grant = await granted(store, one);
    await until(async () => !(await scene.holding('a')).includes(false), 'all nodes have it');
    return grant;
  };

  it('mends a node that lost the hold', async () => {
    const store = await scene.store();
    const one = ask('a', { fences: 4, metadata: { job: 'nightly' } });
    const { fences } = await held(store, one);
    await forget(1);
    expect(await store.renew([heldOf(one)])).toEqual([{ outcome: 'renewed', ttlMs: one.ttlMs }]);
    await until(async () => (await scene.holding('a'))[1] === true, 'it is written there again');
    // The node that was mended counts from now on.
    await forget(0);
    expect(await store.renew([heldOf(one)])).toMatchObject([{ outcome: 'renewed' }]);
    const [value] = await scene.nodes.server(1).lines('GET', 'holdfast:a');
    expect(JSON.parse(value ?? '')).toMatchObject({ last: String(fences.last), metadata: { job: 'nightly' } });
    await store.release(heldOf(one));
  });

  it('fails when a majority lost it, and creates nothing', async () => {
    const store = await scene.store();
    const one = ask('a');
    await held(store, one);
    await forget(0);
    await forget(2);
    expect(await store.renew([heldOf(one)])).toMatchObject([{ outcome: 'gone' }]);
    expect(await scene.holding('a')).toEqual([false, true, false]);
    await store.release(heldOf(one));
  });

  it('does not mend a node that sits out its grace, nor counts what that one still has', async () => {
    await scene.introduce({ maxTtlMs: 60_000 });
    const store = await scene.store({ newNodes: 'wait', maxTtlMs: 60_000 });
    const one = ask('a');
    await held(store, one);
    await scene.nodes.server(1).kill();
    await scene.nodes.server(1).boot();
    const other = await scene.store({ newNodes: 'wait', maxTtlMs: 60_000 });
    expect(await other.renew([heldOf(one)])).toMatchObject([{ outcome: 'renewed' }]);
    await scene.nodes
      .server(1)
      .command('SET', 'holdfast:a', (await scene.nodes.server(0).lines('GET', 'holdfast:a'))[0] ?? '', 'PX', '9000');
    await forget(0);
    // Two have it; the one in its grace may only have it by mistake.
    expect(await other.renew([heldOf(one)])).toMatchObject([{ outcome: 'unknown' }]);
    await other.release(heldOf(one));
  });

  it('does not bring back what was revoked there', async () => {
    const store = await scene.store();
    const one = ask('a');
    await held(store, one);
    await scene.nodes.server(0).kill();
    const other = await scene.store();
    const node = { ...one.node, nonce: 'another' };
    const revocation = await other.revoke(one.name, { kind: 'revoked', reason: 'test', node });
    expect(revocation.ended).toHaveLength(1);
    expect(await store.renew([heldOf(one)])).toEqual([{ outcome: 'gone', by: { kind: 'revoked', reason: 'test' } }]);
    expect(await store.acquire(one)).toMatchObject({ outcome: 'refused', because: 'abandoned' });
    expect(
      (await scene.nodes.server(1).command('EXISTS', 'holdfast:a')) +
        (await scene.nodes.server(2).command('EXISTS', 'holdfast:a')),
    ).toBe(':0\r\n:0\r\n');
  });

  it('extends many holds with one call to each node', async () => {
    const store = await scene.store();
    const asks = Array.from({ length: 200 }, (_, i) => ask(`many/${i}`));
    for (const one of asks) await granted(store, one);
    const calls = async () => {
      const stats = await scene.nodes.server(0).lines('INFO', 'commandstats');
      return Number(/calls=(\d+)/.exec(stats.find((line) => line.startsWith('cmdstat_evalsha:')) ?? '')?.[1]);
    };
    // A grant needs a majority: the others' votes, and what follows from them, are still on their way.
    for (let [before, now] = [0, await calls()]; before !== now; [before, now] = [now, await calls()]) await sleep(200);
    await scene.nodes.command('CONFIG', 'RESETSTAT');
    const answers = await store.renew(asks.map(heldOf));
    expect(answers.every(({ outcome }) => outcome === 'renewed')).toBe(true);
    expect(await calls()).toBeLessThanOrEqual(2);
    for (const one of asks) await store.release(heldOf(one));
  });
});
