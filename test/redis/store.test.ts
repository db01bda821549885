import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { limits } from '../../src/core/limits.js';
import { openRedis } from '../support/redis-clients.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { ask, heldOf, recordsOf } from './support.js';

describe.skipIf(redisIsMissing)('the Redis store', () => {
  let server: RedisServer;
  let store: Backend;

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    store = await openRedis('ioredis 5', server.url);
  });
  afterEach(async () => {
    await store.close();
    await assertKeyspaceClean(server);
    await server.command('FLUSHALL');
  });

  const del = (name: string) => server.command('DEL', `holdfast:${name}`);

  describe("another library's lock", () => {
    it.each([
      ['with a TTL', ['SET', 'holdfast:f', 'token', 'PX', '5000'], true],
      ['without one', ['SET', 'holdfast:f', 'token'], false],
      ['of another type', ['HSET', 'holdfast:f', 'owner', '1'], false],
      ['that looks a little like ours', ['SET', 'holdfast:f', '{"holdfast":1,"owner":"x', 'PX', '5000'], true],
    ])('%s is respected', async (_what, command, ends) => {
      await server.command(...command);
      for (const mode of ['exclusive', 'shared'] as const) {
        const no = await store.acquire(ask('f', { mode }));
        expect(no).toMatchObject({ outcome: 'refused', because: 'held', ahead: 0, holders: [{ node: { host: 'unknown' } }] });
        expect('retryInMs' in no).toBe(ends);
        expect(JSON.stringify(no)).not.toContain('token');
      }
      const mine = heldOf(ask('f'));
      expect(await store.renew([mine])).toEqual([{ outcome: 'not-yours' }]);
      expect(await store.release(mine)).toBe('not-owner');
      expect(await recordsOf(store, '')).toMatchObject([{ name: 'f', state: 'held', metadata: { foreign: true } }]);
      expect((await store.revoke(mine.name, { kind: 'revoked', reason: 'r', node: ask('f').node })).ended).toHaveLength(1);
      expect(await recordsOf(store, '')).toEqual([]);
    });

    it('waits for ours, and never ends it', async () => {
      const own = ask('f');
      await store.acquire(own);
      expect(await server.command('SET', 'holdfast:f', 'token', 'NX', 'PX', '1000')).toBe('$-1\r\n');
      const compareAndDelete = 'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end';
      expect(await server.command('EVAL', compareAndDelete, '1', 'holdfast:f', 'token')).toBe(':0\r\n');
      expect(await store.release(heldOf(own))).toBe('released');
    });

    it('taken after ours was deleted is left alone', async () => {
      const own = ask('f', { mode: 'shared' });
      await store.acquire(own);
      await del('f');
      await server.command('SET', 'holdfast:f', 'token', 'PX', '5000');
      expect(await store.renew([heldOf(own)])).toEqual([{ outcome: 'not-yours' }]);
      expect(await store.release(heldOf(own))).toBe('not-owner');
      await store.abandon(own);
      expect(await server.command('GET', 'holdfast:f')).toContain('token');
      await del('f');
      await server.command('DEL', '{holdfast:f}:shared', '{holdfast:f}:shared:who');
    });
  });

  describe('a late copy of an ask', () => {
    it.each(['exclusive', 'shared'] as const)('that comes after the release of the %s hold gets nothing', async (mode) => {
      const own = ask('late', { mode, enqueue: true });
      await store.acquire(own);
      await store.release(heldOf(own));
      expect(await store.acquire(own)).toMatchObject({ outcome: 'refused', because: 'abandoned' });
      expect(await recordsOf(store, '')).toEqual([]);
    });

    it('of a steal robs nobody', async () => {
      const heir = ask('late');
      const by = { kind: 'stolen', reason: 'r', node: heir.node, heir } as const;
      await store.revoke(heir.name, by);
      await store.release(heldOf(heir));
      expect(await store.revoke(heir.name, by)).toEqual({ ended: [] });
    });
  });

  describe('a fence', () => {
    it('is kept past the longest TTL, and not for ever', async () => {
      const own = ask('fence');
      await store.acquire(own);
      await store.release(heldOf(own));
      const left = Number((await server.command('PTTL', '{holdfast:fence}:fence')).slice(1));
      expect(left).toBeGreaterThan(limits.ttlMsMax);
      expect(left).toBeLessThanOrEqual(2 * limits.ttlMsMax);
    });

    it('rises above one that the clock has not reached', async () => {
      await server.command('SET', '{holdfast:fence}:fence', '9007199254700000 somebody', 'PX', '100000');
      const own = ask('fence', { fences: 64 });
      expect(await store.acquire(own)).toMatchObject({ fences: { first: 9007199254700001n, last: 9007199254700064n } });
      await store.release(heldOf(own));
      const next = ask('fence', { mode: 'shared' });
      expect(await store.acquire(next)).toMatchObject({ fences: { first: 9007199254700065n } });
      await store.release(heldOf(next));
    });

    it.each(['nonsense', '9007199254740993 x', '99999999999999999999 x', '-1 x', ''])(
      'that reads "%s" is damage',
      async (value) => {
        await server.command('SET', '{holdfast:fence}:fence', value, 'PX', '100000');
        for (const mode of ['exclusive', 'shared'] as const) {
          await expect(store.acquire(ask('fence', { mode }))).rejects.toMatchObject({ code: 'BACKEND_CORRUPT', permanent: true });
        }
        expect(await recordsOf(store, '')).toEqual([]);
      },
    );
  });

  describe('a queue', () => {
    it('is handed on by push, long before the poll', async () => {
      const other = await openRedis('node-redis 5', server.url);
      const first = ask('q');
      await store.acquire(first);
      const second = ask('q', { enqueue: true });
      let woken = () => {};
      const listening = new Promise<void>((resolve) => {
        woken = resolve;
      });
      other.watch(second.name, () => woken());
      await listening;
      await other.acquire(second);
      const pushed = new Promise<void>((resolve) => {
        woken = resolve;
      });
      const releasedAtMs = performance.now();
      await store.release(heldOf(first));
      await pushed;
      expect(performance.now() - releasedAtMs).toBeLessThan(200);
      expect(await other.acquire(second)).toMatchObject({ outcome: 'granted' });
      await other.release(heldOf(second));
      await other.close();
    });

    it('goes on after its holder was deleted by hand', async () => {
      await store.acquire(ask('q'));
      const [head, newcomer] = [ask('q', { enqueue: true }), ask('q')];
      await store.acquire(head);
      await del('q');
      expect(await store.acquire(newcomer)).toMatchObject({ outcome: 'refused', because: 'queued', ahead: 1, holders: [] });
      expect(await store.acquire(head)).toMatchObject({ outcome: 'granted' });
      await store.release(heldOf(head));
    });

    it('shows whoever may claim its turn as waiting, and a steal goes before it', async () => {
      const [holder, head] = [ask('q'), ask('q', { enqueue: true })];
      await store.acquire(holder);
      await store.acquire(head);
      await store.release(heldOf(holder));
      expect(await recordsOf(store, 'q')).toMatchObject([{ state: 'waiting' }]);
      const heir = ask('q');
      const by = { kind: 'stolen', reason: 'r', node: heir.node, heir } as const;
      expect((await store.revoke(heir.name, by)).ended).toEqual([]);
      expect(await store.acquire(head)).toMatchObject({ because: 'held', ahead: 0 });
      await store.release(heldOf(heir));
      expect(await store.acquire(head)).toMatchObject({ outcome: 'granted' });
      await store.release(heldOf(head));
    });

    it('passes over a head that missed its window, which may come back behind the others', async () => {
      const [holder, dead, alive] = [ask('q'), ask('q', { enqueue: true }), ask('q', { enqueue: true })];
      for (const one of [holder, dead, alive]) await store.acquire(one);
      await store.release(heldOf(holder));
      const no = await store.acquire(alive);
      expect(no).toMatchObject({ because: 'queued', ahead: 1 });
      await sleep(limits.claimMs + 20);
      expect(await store.acquire(alive)).toMatchObject({ outcome: 'granted' });
      expect(await store.acquire(dead)).toMatchObject({ because: 'held', ahead: 0 });
      await store.release(heldOf(alive));
      expect(await store.acquire(dead)).toMatchObject({ outcome: 'granted' });
      await store.release(heldOf(dead));
    });

    it('leaves nothing behind when everybody who waited has died', async () => {
      const holder = ask('q', { ttlMs: 100 });
      await store.acquire(holder);
      for (const mode of ['exclusive', 'shared'] as const) await store.acquire(ask('q', { mode, enqueue: true }));
      for (const key of ['queue', 'queue:shared', 'who']) {
        const left = Number((await server.command('PTTL', `{holdfast:q}:${key}`)).slice(1));
        expect(left).toBeGreaterThan(limits.placeMs);
        expect(left).toBeLessThanOrEqual(2 * limits.placeMs);
      }
      await server.command('DEL', '{holdfast:q}:queue', '{holdfast:q}:queue:shared', '{holdfast:q}:who');
      await sleep(120);
    });
  });

  it('is looked through by these tests for whatever is left behind', async () => {
    for (const stray of [
      ['SET', 'x', '1', 'PX', '5000'],
      ['SET', '{holdfast:x}:fence', '1'],
      ['HSET', '{holdfast:x}:who', 'a', '1'],
    ]) {
      await server.command(...stray);
      await expect(assertKeyspaceClean(server)).rejects.toThrow(/left in the keyspace/);
      await server.command('FLUSHALL');
    }
  });

  it('forgets old tombstones as new ones come', async () => {
    await server.command('EVAL', "for i = 1, 20 do redis.call('ZADD', KEYS[1], 1, i) end", '1', '{holdfast:t}:ended');
    for (let i = 0; i < 3; i++) await store.abandon(ask('t'));
    expect(await server.command('ZCARD', '{holdfast:t}:ended')).toBe(':3\r\n');
  });

  it('mends a script cache that was emptied, in the middle of everything', async () => {
    const own = ask('s');
    await store.acquire(own);
    await server.command('SCRIPT', 'FLUSH');
    expect(await store.renew([heldOf(own)])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await store.release(heldOf(own))).toBe('released');
  });

  it('shares its keys with clients that have the prefix as part of their names', async () => {
    const bare = await openRedis('ioredis 5', server.url, { prefix: '' });
    await server.command('SET', 'unrelated', 'x');
    await server.command('SET', 'locked', 'x', 'PX', '5000');
    const own = ask('n');
    await store.acquire(own);
    expect(await bare.acquire(ask('holdfast:n'))).toMatchObject({ outcome: 'refused', because: 'held' });
    expect((await recordsOf(bare, '')).map((record) => record.name).sort()).toEqual(['holdfast:n', 'locked']);
    expect((await recordsOf(bare, 'unrelated')).map((record) => record.name)).toEqual(['unrelated']);
    await store.release(heldOf(own));
    await bare.close();
    await server.command('DEL', 'unrelated', 'locked');
  });
});
