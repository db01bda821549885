import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { revokeScript } from '../../src/backends/redis/scripts/revoke.js';
import type { Grant } from '../../src/core/backend.js';
import { limits } from '../../src/core/limits.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { openRedis } from '../support/redis-clients.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { redisIsMissing } from '../support/redis-server.js';
import { storeScene } from './store-scene.js';
import { awakeMs } from '../support/waits.js';

describe.skipIf(redisIsMissing)('the Redis store', () => {
  const scene = storeScene();

  const del = (name: string) => scene.server.command('DEL', `holdfast:${name}`);

  describe("another library's lock", () => {
    it.each([
      ['with a TTL', ['SET', 'holdfast:f', 'token', 'PX', '5000'], true],
      ['without one', ['SET', 'holdfast:f', 'token'], false],
      ['of another type', ['HSET', 'holdfast:f', 'owner', '1'], false],
      ['that looks a little like ours', ['SET', 'holdfast:f', '{"holdfast":1,"owner":"x', 'PX', '5000'], true],
    ])('%s is respected', async (_what, command, ends) => {
      await scene.server.command(...command);
      for (const mode of ['exclusive', 'shared'] as const) {
        const no = await scene.store.acquire(ask('f', { mode }));
        expect(no).toMatchObject({ outcome: 'refused', because: 'held', ahead: 0, holders: [{ node: { host: 'unknown' } }] });
        expect('retryInMs' in no).toBe(ends);
        expect(JSON.stringify(no)).not.toContain('token');
      }
      const mine = heldOf(ask('f'));
      expect(await scene.store.renew([mine])).toEqual([{ outcome: 'not-yours' }]);
      expect(await scene.store.release(mine)).toBe('not-owner');
      const foreign = [{ name: 'f', state: 'held', metadata: { foreign: true } }];
      expect(await recordsOf(scene.store, '')).toMatchObject(foreign);
      expect(await scene.store.read(mine.name)).toMatchObject(foreign);
      expect((await scene.store.revoke(mine.name, { kind: 'revoked', reason: 'r', node: ask('f').node })).ended).toHaveLength(1);
      expect(await recordsOf(scene.store, '')).toEqual([]);
    });

    it('waits for ours, and never ends it', async () => {
      const own = ask('f');
      await scene.store.acquire(own);
      expect(await scene.server.command('SET', 'holdfast:f', 'token', 'NX', 'PX', '1000')).toBe('$-1\r\n');
      const compareAndDelete = 'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end';
      expect(await scene.server.command('EVAL', compareAndDelete, '1', 'holdfast:f', 'token')).toBe(':0\r\n');
      expect(await scene.store.release(heldOf(own))).toBe('released');
    });

    it('taken after ours was deleted is left alone', async () => {
      const own = ask('f', { mode: 'shared' });
      await scene.store.acquire(own);
      await del('f');
      await scene.server.command('SET', 'holdfast:f', 'token', 'PX', '5000');
      expect(await scene.store.renew([heldOf(own)])).toEqual([{ outcome: 'not-yours' }]);
      expect(await scene.store.release(heldOf(own))).toBe('not-owner');
      await scene.store.abandon(own);
      expect(await scene.server.command('GET', 'holdfast:f')).toContain('token');
      await del('f');
      await scene.server.command('DEL', '{holdfast:f}:shared', '{holdfast:f}:shared:who');
    });
  });

  it('reads one name without a walk through the others', async () => {
    const own = ask('one');
    await scene.store.acquire(own);
    await scene.server.command('CONFIG', 'RESETSTAT');
    expect(await scene.store.read(own.name)).toMatchObject([{ name: 'one', state: 'held' }]);
    const commands = (await scene.server.lines('INFO', 'commandstats')).filter((line) =>
      /^cmdstat_(?:scan|keys|eval)/.test(line),
    );
    expect(commands).toEqual([expect.stringMatching(/^cmdstat_eval(?:sha)?:calls=1,/)]);
    expect(await scene.store.release(heldOf(own))).toBe('released');
  });

  describe('a late copy of an ask', () => {
    it.each(['exclusive', 'shared'] as const)('that comes after the release of the %s hold gets nothing', async (mode) => {
      const own = ask('late', { mode, enqueue: true });
      await scene.store.acquire(own);
      await scene.store.release(heldOf(own));
      expect(await scene.store.acquire(own)).toMatchObject({ outcome: 'refused', because: 'abandoned' });
      expect(await recordsOf(scene.store, '')).toEqual([]);
    });

    it('of a steal robs nobody', async () => {
      const heir = ask('late');
      const by = { kind: 'stolen', reason: 'r', node: heir.node, heir } as const;
      await scene.store.revoke(heir.name, by);
      await scene.store.release(heldOf(heir));
      expect(await scene.store.revoke(heir.name, by)).toEqual({ ended: [] });
    });

    it('of a steal robs nobody who came after the thief', async () => {
      const heir = ask('late');
      const by = { kind: 'stolen', reason: 'r', node: heir.node, heir } as const;
      await scene.store.revoke(heir.name, by);
      await scene.store.release(heldOf(heir));
      const next = ask('late');
      await scene.store.acquire(next);
      expect(await scene.store.revoke(heir.name, by)).toEqual({ ended: [] });
      expect(await scene.store.renew([heldOf(next)])).toMatchObject([{ outcome: 'renewed' }]);
      await scene.store.release(heldOf(next));
    });

    it.each([false, true])(
      'of a revocation is told the same, and ends nobody who came after it (of one fence: %s)',
      async (one) => {
        const own = ask('late');
        const granted = (await scene.store.acquire(own)) as Grant;
        const args = ['{"kind":"revoked","reason":"r"}', 'id', one ? String(granted.fences.last) : ''];
        const copy = () => scene.server.command('EVAL', revokeScript.lua, '1', 'holdfast:late', ...args);
        const first = await copy();
        expect(first).toContain(own.owner);
        const next = ask('late');
        expect(await scene.store.acquire(next)).toMatchObject({ outcome: 'granted' });
        const told = (reply: string) => reply.replaceAll(/:\d+\r\n|^\d{13}\r\n/gm, '');
        expect(told(await copy())).toBe(told(first));
        expect(await scene.store.renew([heldOf(next)])).toMatchObject([{ outcome: 'renewed' }]);
        await scene.store.release(heldOf(next));
      },
    );
  });

  describe('a fence', () => {
    it('is kept past the longest TTL, and not for ever', async () => {
      const own = ask('fence');
      await scene.store.acquire(own);
      await scene.store.release(heldOf(own));
      const left = Number((await scene.server.command('PTTL', '{holdfast:fence}:fence')).slice(1));
      expect(left).toBeGreaterThan(limits.ttlMsMax);
      expect(left).toBeLessThanOrEqual(2 * limits.ttlMsMax);
    });

    it('rises above one that the clock has not reached', async () => {
      await scene.server.command('SET', '{holdfast:fence}:fence', '9007199254700000 somebody', 'PX', '100000');
      const own = ask('fence', { fences: 64 });
      expect(await scene.store.acquire(own)).toMatchObject({ fences: { first: 9007199254700001n, last: 9007199254700064n } });
      await scene.store.release(heldOf(own));
      const next = ask('fence', { mode: 'shared' });
      expect(await scene.store.acquire(next)).toMatchObject({ fences: { first: 9007199254700065n } });
      await scene.store.release(heldOf(next));
    });

    it.each(['nonsense', '9007199254740993 x', '99999999999999999999 x', '-1 x', ''])(
      'that reads "%s" is damage',
      async (value) => {
        await scene.server.command('SET', '{holdfast:fence}:fence', value, 'PX', '100000');
        for (const mode of ['exclusive', 'shared'] as const) {
          await expect(scene.store.acquire(ask('fence', { mode }))).rejects.toMatchObject({
            code: 'BACKEND_CORRUPT',
            permanent: true,
          });
        }
        expect(await recordsOf(scene.store, '')).toEqual([]);
      },
    );
  });

  describe('a queue', () => {
    it('is handed on by push, long before the poll', async () => {
      const other = await openRedis('node-redis 5', scene.server.url);
      const first = ask('q');
      await scene.store.acquire(first);
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
      const releasedAtMs = awakeMs();
      await scene.store.release(heldOf(first));
      await pushed;
      expect(awakeMs() - releasedAtMs).toBeLessThan(limits.pollMsMax / 2);
      expect(await other.acquire(second)).toMatchObject({ outcome: 'granted' });
      await other.release(heldOf(second));
      await other.close();
    });

    it('goes on after its holder was deleted by hand', async () => {
      await scene.store.acquire(ask('q'));
      const [head, newcomer] = [ask('q', { enqueue: true }), ask('q')];
      await scene.store.acquire(head);
      await del('q');
      expect(await scene.store.acquire(newcomer)).toMatchObject({ outcome: 'refused', because: 'queued', ahead: 1, holders: [] });
      expect(await scene.store.acquire(head)).toMatchObject({ outcome: 'granted' });
      await scene.store.release(heldOf(head));
    });

    it('shows whoever may claim its turn as waiting, and a steal goes before it', async () => {
      const [holder, head] = [ask('q'), ask('q', { enqueue: true })];
      await scene.store.acquire(holder);
      await scene.store.acquire(head);
      await scene.store.release(heldOf(holder));
      expect(await recordsOf(scene.store, 'q')).toMatchObject([{ state: 'waiting' }]);
      const heir = ask('q');
      const by = { kind: 'stolen', reason: 'r', node: heir.node, heir } as const;
      expect((await scene.store.revoke(heir.name, by)).ended).toEqual([]);
      expect(await scene.store.acquire(head)).toMatchObject({ because: 'held', ahead: 0 });
      await scene.store.release(heldOf(heir));
      expect(await scene.store.acquire(head)).toMatchObject({ outcome: 'granted' });
      await scene.store.release(heldOf(head));
    });

    it('passes over a head that missed its window, which may come back behind the others', async () => {
      const [holder, dead, alive] = [ask('q'), ask('q', { enqueue: true }), ask('q', { enqueue: true })];
      for (const one of [holder, dead, alive]) await scene.store.acquire(one);
      await scene.store.release(heldOf(holder));
      const no = await scene.store.acquire(alive);
      expect(no).toMatchObject({ because: 'queued', ahead: 1 });
      await sleep(limits.claimMs + 20);
      expect(await scene.store.acquire(alive)).toMatchObject({ outcome: 'granted' });
      expect(await scene.store.acquire(dead)).toMatchObject({ because: 'held', ahead: 0 });
      await scene.store.release(heldOf(alive));
      expect(await scene.store.acquire(dead)).toMatchObject({ outcome: 'granted' });
      await scene.store.release(heldOf(dead));
    });

    it('leaves nothing behind when everybody who waited has died', async () => {
      const holder = ask('q', { ttlMs: 1_000 });
      await scene.store.acquire(holder);
      for (const mode of ['exclusive', 'shared'] as const) await scene.store.acquire(ask('q', { mode, enqueue: true }));
      for (const key of ['queue', 'queue:shared', 'who']) {
        const left = Number((await scene.server.command('PTTL', `{holdfast:q}:${key}`)).slice(1));
        expect(left).toBeGreaterThan(limits.placeMs);
        expect(left).toBeLessThanOrEqual(2 * limits.placeMs);
      }
      await scene.server.command('DEL', '{holdfast:q}:queue', '{holdfast:q}:queue:shared', '{holdfast:q}:who');
      await sleep(1_020);
    });
  });

  it('is looked through by these tests for whatever is left behind', async () => {
    for (const stray of [
      ['SET', 'x', '1', 'PX', '5000'],
      ['SET', '{holdfast:x}:fence', '1'],
      ['HSET', '{holdfast:x}:who', 'a', '1'],
    ]) {
      await scene.server.command(...stray);
      await expect(assertKeyspaceClean(scene.server)).rejects.toThrow(/left in the keyspace/);
      await scene.server.command('FLUSHALL');
    }
  });

  it('forgets old tombstones as new ones come', async () => {
    await scene.server.command('EVAL', "for i = 1, 20 do redis.call('ZADD', KEYS[1], 1, i) end", '1', '{holdfast:t}:ended');
    for (let i = 0; i < 3; i++) await scene.store.abandon(ask('t'));
    expect(await scene.server.command('ZCARD', '{holdfast:t}:ended')).toBe(':3\r\n');
  });

  it('mends a script cache that was emptied, in the middle of everything', async () => {
    const own = ask('s');
    await scene.store.acquire(own);
    await scene.server.command('SCRIPT', 'FLUSH');
    expect(await scene.store.renew([heldOf(own)])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await scene.store.release(heldOf(own))).toBe('released');
  });

  it('shares its keys with clients that have the prefix as part of their names', async () => {
    const bare = await openRedis('ioredis 5', scene.server.url, { prefix: '' });
    await scene.server.command('SET', 'unrelated', 'x');
    await scene.server.command('SET', 'locked', 'x', 'PX', '5000');
    const own = ask('n');
    await scene.store.acquire(own);
    expect(await bare.acquire(ask('holdfast:n'))).toMatchObject({ outcome: 'refused', because: 'held' });
    expect((await recordsOf(bare, '')).map((record) => record.name).sort()).toEqual(['holdfast:n', 'locked']);
    expect((await recordsOf(bare, 'unrelated')).map((record) => record.name)).toEqual(['unrelated']);
    await scene.store.release(heldOf(own));
    await bare.close();
    await scene.server.command('DEL', 'unrelated', 'locked');
  });
});
