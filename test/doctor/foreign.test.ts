import { randomBytes, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { redis } from '../../src/backends/redis/index.js';
import { Holdfast } from '../../src/index.js';
import { onRedis } from './support/stores.js';

/** Locks on Redis that Holdfast did not write, or that lost their end. */

onRedis((clinic, server) => {
  let client: Redis;
  beforeAll(() => {
    client = new Redis(server().port);
  });
  afterAll(() => client.disconnect());

  const cases: readonly [string, string, string | undefined][] = [
    ['redlock 5', randomBytes(16).toString('hex'), 'redlock'],
    ['a UUID', randomUUID(), 'UUID'],
    ['ShedLock', 'ADDED:2026-01-02T03:04:05.678Z@host-1', 'ShedLock'],
    ['redsync', randomBytes(16).toString('base64'), 'redsync'],
    ['a word', 'locked', undefined],
  ];
  it.each(cases)('foreign-lock: %s', async (what, value, library) => {
    const name = `foreign ${what}`;
    await client.set(`holdfast:${name}`, value, 'PX', 30_000, 'NX');
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({ id: 'foreign-lock', severity: 'warning' });
    expect(verdict.summary).toContain(library ?? 'another library');
    // Its value is what proves a hold.
    expect(JSON.stringify(verdict)).not.toContain(value);
    expect(others).toEqual([]);
  });

  it('foreign-lock: a hash, as Redisson keeps it', async () => {
    await client.hset('holdfast:redisson', `${randomUUID()}:37`, '1');
    await client.pexpire('holdfast:redisson', 30_000);
    const [verdict] = await clinic.verdicts({ name: 'redisson' });
    expect(verdict).toMatchObject({ id: 'foreign-lock', summary: expect.stringContaining('Redisson') });
  });

  it('no-ttl: SETNX whose holder died before it set the end', async () => {
    await client.setnx('holdfast:setnx', '1');
    const [verdict, ...others] = await clinic.verdicts({ name: 'setnx' });
    expect(verdict).toMatchObject({
      id: 'no-ttl',
      severity: 'critical',
      evidence: [expect.stringContaining('1 character'), expect.any(String)],
    });
    expect(others).toEqual([]);
  });

  it('no-ttl: GETSET code, whose value says when it is over', async () => {
    await client.set('holdfast:getset', String(Date.now() - 5_000));
    const [verdict] = await clinic.verdicts({ name: 'getset' });
    expect(verdict).toMatchObject({
      id: 'no-ttl',
      summary: expect.stringContaining('GETSET'),
      evidence: [expect.stringContaining('is over'), expect.any(String)],
    });
  });

  it('no-ttl: a hold of ours that somebody has made eternal', async () => {
    const locks = new Holdfast(redis(client), { ttlMs: 20_000 });
    const lease = await locks.acquire('persisted');
    await client.persist('holdfast:persisted');
    const [verdict] = await clinic.verdicts({ name: 'persisted' });
    expect(verdict).toMatchObject({ id: 'no-ttl', summary: expect.stringContaining('Holdfast') });
    await lease.release();
    await locks.close();
    expect(await clinic.ids({ name: 'persisted' })).toEqual(['free']);
  });

  it('an end that comes a moment after the lock is no missing end', async () => {
    await client.setnx('holdfast:late', 'x');
    setTimeout(() => void client.pexpire('holdfast:late', 30_000), 100);
    expect(await clinic.ids({ name: 'late' })).toEqual(['foreign-lock']);
  });

  it('two-claimants: the same name under another prefix', async () => {
    const [ours, theirs] = [new Holdfast(redis(client)), new Holdfast(redis(client, { prefix: 'app2:' }))];
    await using _one = await ours.acquire('stock:7');
    await using _other = await theirs.acquire('stock:7');
    await using _longer = await ours.acquire('other:stock:7');
    // What a cache has of the same thing is no lock.
    await client.set('cache:stock:7', 'seven', 'PX', 30_000);
    const [verdict, ...others] = await clinic.verdicts({ name: 'stock:7' });
    expect(verdict).toMatchObject({
      id: 'two-claimants',
      evidence: [expect.any(String), expect.stringContaining('app2:stock:7')],
    });
    expect(verdict.evidence).toHaveLength(2);
    expect(others).toEqual([]);
  });
});
