import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RedisRecords, redisRecords } from '../../src/backends/redis/index.js';
import { recordCasScript } from '../../src/backends/redis/scripts/record-cas.js';
import { recordCreateScript } from '../../src/backends/redis/scripts/record-create.js';
import type { Script } from '../../src/backends/redis/scripts/script.js';
import type { RecordWrite, StoredRecord } from '../../src/core/records.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { clients } from '../support/redis-clients.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';

const key = 'k';
const stored = '{holdfast:k}:record';

function writtenOf({ written, record }: RecordWrite): StoredRecord {
  expect(written).toBe(true);
  return record as StoredRecord;
}

describe.skipIf(redisIsMissing)('records in Redis', () => {
  let server: RedisServer;
  const ends: (() => void | Promise<void>)[] = [];

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await server.command('FLUSHALL');
  });

  const open = async (library = 'ioredis 5', port = server.port): Promise<RedisRecords> => {
    const { client, end } = await (clients[library] as (typeof clients)[string])(`redis://127.0.0.1:${port}`);
    const records = redisRecords(client);
    ends.push(async () => {
      await records.close();
      end();
    });
    return records;
  };
  const throughProxy = async (library: string) => {
    const proxy = await FaultProxy.start(server.port);
    ends.push(() => proxy.close());
    const records = await open(library, proxy.port);
    // The server knows the scripts from here on, and requests name them by their digest.
    const { version } = writtenOf(await records.create(`${key}0`, '', 1));
    await records.compareAndSet(`${key}0`, version, '', 1);
    return { proxy, records };
  };

  describe.each(Object.keys(clients))('through %s', (library) => {
    it.each(['lose-reply', 'cut'] as const)('a write is not in conflict with itself: %s', async (fault) => {
      const { proxy, records } = await throughProxy(library);
      const met = proxy.once(recordCreateScript.sha, fault);
      const created = writtenOf(await records.create(key, 'one', undefined));
      await met;
      expect((await records.get(key))?.version).toBe(created.version);
      const metAgain = proxy.once(recordCasScript.sha, fault);
      const changed = writtenOf(await records.compareAndSet(key, created.version, 'two', undefined));
      await metAgain;
      expect(await records.get(key)).toMatchObject({ value: 'two', version: changed.version });
    });

    it('a write that was overwritten before its reply arrived has been written all the same', async () => {
      const { proxy, records } = await throughProxy(library);
      const other = await open();
      const { version } = writtenOf(await records.create(key, 'one', undefined));
      const lost = proxy.once(recordCasScript.sha, 'lose-reply').then(() => proxy.silence());
      const writing = records.compareAndSet(key, version, 'two', 60_000);
      await lost;
      const between = (await other.get(key)) as StoredRecord;
      expect(between.value).toBe('two');
      writtenOf(await other.compareAndSet(key, between.version, 'three', undefined));
      proxy.speak();
      const { storeTimeMs: _, ageMs: __, ...own } = between;
      expect(writtenOf(await writing)).toMatchObject(own);
      expect((await other.get(key))?.value).toBe('three');
    });
  });

  it('a late copy of a write changes nothing, also when the record is over', async () => {
    const records = await open();
    const send = (script: Script, ...args: readonly string[]) => server.command('EVAL', script.lua, '1', stored, ...args);
    const create = ['a1', 'one', '50'];
    const first = await send(recordCreateScript, ...create);
    await expect.poll(() => records.get(key), { interval: 10 }).toBeUndefined();
    // Told as at the first time, and nothing stands there.
    expect(await send(recordCreateScript, ...create)).toBe(first);
    expect(await records.get(key)).toBeUndefined();
    const { version } = writtenOf(await records.create(key, 'two', undefined));
    const change = ['a2', 'three', '', version];
    await send(recordCasScript, ...change);
    const { version: third } = (await records.get(key)) as StoredRecord;
    writtenOf(await records.compareAndSet(key, third, 'four', undefined));
    await send(recordCasScript, ...change);
    expect((await records.get(key))?.value).toBe('four');
  });

  it('a version is not used again after its record is over and its key is gone, nor when the clock is behind', async () => {
    const records = await open();
    const { version } = writtenOf(await records.create(key, 'one', undefined));
    await server.command('FLUSHALL');
    writtenOf(await records.create(key, 'one', undefined));
    expect((await records.compareAndSet(key, version, 'late', undefined)).written).toBe(false);
    const future = '9007199254700000-ab';
    await server.command('HSET', stored, 'version', future, 'writes', future);
    const next = writtenOf(await records.compareAndSet(key, future, 'two', undefined));
    expect(next.version).toMatch(/^9007199254700001-[0-9a-f]{24}$/);
  });

  it('stays for a minute after its time, for late copies, and not for ever', async () => {
    const records = await open();
    const ttl = async () => Number((await server.command('PTTL', stored)).slice(1));
    const { version } = writtenOf(await records.create(key, 'one', 5_000));
    expect(await ttl()).toBeGreaterThan(60_000);
    expect(await ttl()).toBeLessThanOrEqual(65_000);
    writtenOf(await records.compareAndSet(key, version, 'two', undefined));
    expect(await ttl()).toBe(-1);
  });

  it('keeps no more traces than it needs', async () => {
    const records = await open();
    let { version } = writtenOf(await records.create(key, '0', undefined));
    for (let i = 0; i < 300; i++) version = writtenOf(await records.compareAndSet(key, version, String(i), undefined)).version;
    const [traces = ''] = await server.lines('HGET', stored, 'writes');
    expect(traces.trim().split(' ')).toHaveLength(256);
    expect(traces.startsWith(version)).toBe(true);
    const old = traces.replaceAll(/\d{16}-/g, '1000000000000000-');
    await server.command('HSET', stored, 'writes', old);
    writtenOf(await records.compareAndSet(key, version, 'x', undefined));
    expect((await server.lines('HGET', stored, 'writes'))[0]?.trim().split(' ')).toHaveLength(1);
  });

  it.each([
    ['a text', ['SET', stored, 'x']],
    ['a hash of another kind', ['HSET', stored, 'value', 'x']],
    ['a version of another kind', ['HSET', stored, 'value', 'x', 'version', '7', 'expires', '', 'writes', '']],
  ] as const)('%s in its place is damage, and stays', async (_title, command) => {
    const records = await open();
    await server.command(...command);
    const damage = { code: 'BACKEND_CORRUPT', permanent: true, message: expect.stringContaining(stored) };
    await expect(records.get(key)).rejects.toMatchObject(damage);
    await expect(records.create(key, 'x', undefined)).rejects.toMatchObject(damage);
    await expect(records.compareAndSet(key, '7', 'x', undefined)).rejects.toMatchObject(damage);
    expect(await server.command('EXISTS', stored)).toBe(':1\r\n');
  });

  it('refuses what it cannot keep', async () => {
    const records = await open();
    for (const ttlMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(records.create(key, 'x', ttlMs)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    await expect(records.get('x'.repeat(513))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await records.close();
    await expect(records.get(key)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('says that the server is silent, and is told the truth afterwards', async () => {
    const { proxy, records } = await throughProxy('ioredis 5');
    proxy.silence();
    await expect(records.create(key, 'one', undefined)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', permanent: false });
    proxy.speak();
    await sleep(0);
    const { record } = await records.create(key, 'two', undefined);
    expect(['one', 'two']).toContain(record?.value);
  });
});
