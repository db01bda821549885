import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ioredisDriver } from '../../src/backends/redis/drivers/ioredis.js';
import { nodeRedisDriver } from '../../src/backends/redis/drivers/node-redis.js';
import { parseOptions } from '../../src/backends/redlock/options.js';
import { RedisNode } from '../../src/backends/redlock/redis/node.js';
import { ask, heldOf } from '../support/asks.js';
import { clients } from '../support/redis-clients.js';
import { redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { granted, grantedSoon, Scene } from './support.js';

/** Long enough that a lease outlives the restart of a node on a machine that is busy. */
const graceMs = 4_000;
// The same bound in all processes.
const wait = { newNodes: 'wait', maxTtlMs: graceMs } as const;
const trust = { newNodes: 'trust', maxTtlMs: graceMs } as const;
const record = '{holdfast:}:node';

describe.skipIf(redisIsMissing)('a node that may have forgotten a vote', () => {
  const scene = new Scene(3);

  it('does not vote again before every lease it may have voted for is over', async () => {
    await scene.introduce(trust);
    const proxy = await scene.proxy(2);
    const first = await scene.store({ ...wait, through: { 2: proxy } });
    proxy.silence();
    const held = ask('a', { ttlMs: graceMs });
    await granted(first, held);
    expect(await scene.holding('a')).toEqual([true, true, false]);
    // It voted, and forgets it: with its vote and that of the node that never gave one, the second would have a majority.
    await scene.nodes.server(1).kill();
    const sinceMs = performance.now();
    await scene.nodes.server(1).boot();
    const second = await scene.store(wait);
    const rival = ask('a', { ttlMs: graceMs });
    await expect(second.acquire(rival)).resolves.toMatchObject({ outcome: 'refused' });
    expect(await scene.holding('a')).toEqual([true, false, expect.anything()]);
    // The first still holds by its own deadline, which ends before the node votes.
    await grantedSoon(second, rival);
    expect(performance.now() - sinceMs).toBeGreaterThan(graceMs - 500);
    await second.release(heldOf(rival));
    proxy.speak();
  });

  it('votes again after its grace', async () => {
    await scene.introduce(trust);
    await scene.nodes.server(0).kill();
    await scene.nodes.server(0).boot();
    await scene.nodes.server(1).kill();
    const store = await scene.store(wait);
    await expect(store.acquire(ask('a', { ttlMs: graceMs }))).rejects.toThrow(
      /may have forgotten votes, and sits out [\d.]+ s more/,
    );
    const one = ask('a', { ttlMs: graceMs });
    await grantedSoon(store, one);
    expect(await scene.nodes.server(0).command('EXISTS', 'holdfast:a')).toBe(':1\r\n');
    await store.release(heldOf(one));
  });

  it('has its grace neither shortened nor begun again by those who join', async () => {
    const from = async () => (await scene.nodes.server(0).command('HGET', record, 'from')).split('\r\n')[1];
    const long = await scene.store({ newNodes: 'wait', maxTtlMs: 60_000 });
    await until(async () => Number(await from()) > Date.now() + 50_000, 'the first has joined');
    const before = await from();
    await sleep(20);
    await scene.store(wait);
    await scene.store({ newNodes: 'wait', maxTtlMs: 60_000 });
    expect(await from()).toBe(before);
    await expect(long.acquire(ask('a'))).rejects.toThrow(/sits out/);
    // Whoever has longer leases out makes it longer, as long as it lasts.
    await scene.store({ newNodes: 'wait', maxTtlMs: 80_000 });
    await until(async () => (await from()) !== before, 'it has joined');
    expect(Number(await from())).toBe(Number(before) + 20_000);
  });

  it('does not wait for ever because its clock was set back', async () => {
    await scene.introduce(trust);
    // The record of a grace that began when the clock was an hour ahead.
    const far = String(Date.now() + 3_600_000);
    await scene.nodes.command('HSET', record, 'from', far, 'grace', '1000');
    const store = await scene.store(wait);
    const one = ask('a', { ttlMs: 1_000 });
    await grantedSoon(store, one);
    await store.release(heldOf(one));
  });

  it('is one that was told to forget everything, too', async () => {
    const store = await scene.store(trust);
    await granted(store, ask('a', { ttlMs: 1_000 }));
    await scene.nodes.command('FLUSHALL');
    const other = await scene.store(wait);
    await expect(other.acquire(ask('a', { ttlMs: 1_000 }))).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('refuses votes itself, also to clients that do not know of its grace', async () => {
    const opened = await clients['ioredis 5']?.(scene.nodes.server(0).url);
    const node = new RedisNode('one', ioredisDriver(opened?.client as never), parseOptions());
    const { incarnation, state } = await node.join({ graceMs: 60_000, trustNew: false });
    expect(state).toBe('waits');
    const ballot = { ask: ask('a', { ttlMs: 1_000 }), round: 1, proposal: 0 };
    expect(await node.vote(ballot, incarnation)).toMatchObject({ state: 'waits' });
    const copy = { round: 1, first: 1n, last: 1n, text: '{}', leftMs: 1_000 };
    const untilUs = (Date.now() + 1_000) * 1_000;
    expect(await node.repair(heldOf(ballot.ask), copy, untilUs, incarnation)).toMatchObject({ state: 'waits', repaired: false });
    expect(await scene.holding('a')).toEqual([false, false, false]);
    node.close();
    opened?.end();
  });

  it('refuses a vote that was meant for its life before, whoever sends it', async () => {
    await scene.introduce(trust);
    for (const library of ['ioredis 5', 'node-redis 5']) {
      const opened = await clients[library]?.(scene.nodes.server(0).url);
      const client = opened?.client as never;
      const driver = library.startsWith('ioredis') ? ioredisDriver(client) : nodeRedisDriver(client);
      const node = new RedisNode('one', driver, parseOptions({ newNodes: 'trust' }));
      const { incarnation } = await node.join({ graceMs: 60_000, trustNew: true });
      const ballot = { ask: ask('a', { ttlMs: 1_000 }), round: 1, proposal: 0 };
      const old = incarnation.replace(/^./, incarnation.startsWith('0') ? '1' : '0');
      expect(await node.vote(ballot, old)).toMatchObject({ state: 'stranger' });
      expect(await node.vote(ballot, old)).not.toHaveProperty('vote');
      expect(await node.confirm({ ...ballot.ask, round: 1, first: 1n, last: 1n }, old)).toMatchObject({ state: 'stranger' });
      expect(await node.renew([heldOf(ballot.ask)], old)).toMatchObject({ state: 'stranger', renewals: [] });
      expect(await scene.holding('a')).toEqual([false, false, false]);
      node.close();
      opened?.end();
    }
  });
});

describe.skipIf(redisIsMissing)('a node that has every write on disk', () => {
  const scene = new Scene(3, '--appendonly', 'yes', '--appendfsync', 'always');

  it('votes at once after a restart, and has forgotten nothing', async () => {
    await scene.introduce(trust);
    const store = await scene.store(trust);
    const held = ask('a', { ttlMs: graceMs });
    await granted(store, held);
    await scene.nodes.server(0).kill();
    await scene.nodes.server(0).boot();
    await scene.nodes.server(1).kill();
    const other = await scene.store(wait);
    expect(await other.acquire(ask('a', { ttlMs: graceMs }))).toMatchObject({ outcome: 'refused' });
    const free = ask('b', { ttlMs: graceMs });
    await granted(other, free);
    await other.release(heldOf(free));
    await other.release(heldOf(held));
  });

  it('is not believed if it did not have them before', async () => {
    await scene.nodes.server(0).command('CONFIG', 'SET', 'appendfsync', 'everysec');
    await scene.introduce(trust);
    expect(await scene.nodes.server(0).command('HGET', record, 'durable')).toContain('0');
    await scene.nodes.server(0).kill();
    await scene.nodes.server(0).boot();
    await scene.store(wait);
    const graceMs = async () => {
      const field = async (name: string) => Number((await scene.nodes.server(0).command('HGET', record, name)).split('\r\n')[1]);
      return (await field('from')) - (await field('at'));
    };
    await until(async () => (await graceMs()) === wait.maxTtlMs, 'it has joined, and has its grace');
  });
});
