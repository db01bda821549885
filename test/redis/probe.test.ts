import { mkdirSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Reply } from '../../src/backends/redis/driver.js';
import { redisFromUrl } from '../../src/backends/redis/index.js';
import { againstEachOther, againstOurs, readClock } from '../../src/backends/redis/probe/clocks.js';
import { factsOf } from '../../src/backends/redis/probe/facts.js';
import { Server } from '../../src/backends/redis/probe/server.js';
import { version } from '../../src/backends/redis/probe/version.js';
import { Holdfast } from '../../src/index.js';
import { read } from '../docs/files.js';
import { openRedis } from '../support/redis-clients.js';
import { linked } from '../support/redis-cluster.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { commandTimeoutMs, mend, pick, probe, run } from './probe-support.js';
import { standStill } from '../support/stand-still.js';

/** As the page of the store has them. */
const aclRules = (/^redis-cli ACL SETUSER app .*$/m.exec(read('docs/backends/redis.md'))?.[0] ?? '')
  .replaceAll("'", '')
  .split(' ')
  .filter((word) => /^[~&+-]/.test(word));

/** All that a user of Holdfast may do, on a server where only that is permitted. */
async function everything(library: string, url: string): Promise<void> {
  const backend = await openRedis(library, url);
  const [one, two] = [new Holdfast(backend), new Holdfast(await openRedis(library, url))];
  for (const mode of ['exclusive', 'shared'] as const) {
    const first = await one.acquire('tight', { mode });
    const waiting = two.acquire('tight', { waitMs: 10_000 });
    await expect.poll(async () => (await one.query()).pending).toHaveLength(1);
    await first.release();
    const second = await waiting;
    expect(second.fence).toBeGreaterThan(0n);
    await one.revoke('tight', { reason: 'r' });
    await second.release();
  }
  await one.close();
  await two.close();
}

async function replicaOf(master: RedisServer): Promise<RedisServer> {
  await master.command('CONFIG', 'SET', 'repl-diskless-sync-delay', '0');
  const replica = await RedisServer.start('--replicaof', '127.0.0.1', String(master.port));
  await linked(replica);
  await expect.poll(() => master.command('INFO', 'replication')).toContain('state=online');
  return replica;
}

describe.skipIf(redisIsMissing).each(['ioredis 5', 'node-redis 5'])('probe through %s', (library) => {
  let server: RedisServer;
  const found = (options = {}) => probe(library, server.url, options);

  beforeAll(async () => {
    server = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always');
  });
  afterAll(() => server.stop());
  afterEach(() => assertKeyspaceClean(server));

  it('has nothing but a remark on a server that keeps its data', async () => {
    const all = await found();
    expect(all.filter(({ severity }) => severity !== 'info')).toEqual([]);
    expect(pick(all, /^(?:Redis 7|Valkey 8)\S+, one server, no replicas/).severity).toBe('info');
  });

  it.each([
    ['appendonly', 'no', 'warning', /keeps nothing on disk/],
    ['appendfsync', 'no', 'warning', /appendfsync is no/],
    ['maxmemory-policy', 'volatile-lru', 'warning', /^maxmemory-policy is volatile-lru, though maxmemory is not set/],
    ['maxmemory-policy', 'allkeys-random', 'warning', /^maxmemory-policy is allkeys-random/],
    ['min-replicas-to-write', '1', 'critical', /min-replicas-to-write is 1, and 0 are connected/],
  ] as const)('%s %s: finds it, and its command mends it', async (parameter, value, severity, what) => {
    await server.command('CONFIG', 'SET', parameter, value);
    const finding = pick(await found(), what);
    expect(finding.severity).toBe(severity);
    expect(finding.fix).toContain(`-p ${server.port} `);
    await mend(finding);
    expect((await found()).filter((one) => what.test(one.what))).toEqual([]);
  });

  it('snapshots only, or a second at stake: says what of', async () => {
    await server.command('CONFIG', 'SET', 'appendfsync', 'everysec');
    expect(pick(await found(), /everysec/).severity).toBe('info');
    await server.command('CONFIG', 'SET', 'appendfsync', 'always');
    await server.command('CONFIG', 'SET', 'appendonly', 'no');
    await server.command('CONFIG', 'SET', 'save', '3600 1');
    expect(pick(await found(), /snapshots only \(the last one is of 20\d\d-/).severity).toBe('warning');
    await server.command('CONFIG', 'SET', 'save', '');
    await server.command('CONFIG', 'SET', 'appendonly', 'yes');
  });

  it('a disk that takes no snapshot', async () => {
    const full = await RedisServer.start('--save', '3600 1');
    try {
      // Where the file should come to lie, something else stands in the way.
      const [, , , , folder = ''] = (await full.command('CONFIG', 'GET', 'dir')).split('\r\n');
      const obstacle = path.join(folder, 'dump.rdb');
      mkdirSync(obstacle);
      const status = (expected: string) =>
        expect.poll(() => full.command('INFO', 'persistence'), { timeout: 15_000 }).toContain(`bgsave_status:${expected}`);
      await full.command('BGSAVE');
      await status('err');
      const finding = pick(await probe(library, full.url), /the last snapshot failed/);
      expect(finding.severity).toBe('critical');
      rmdirSync(obstacle);
      const [, command = ''] = /then: (redis-cli .*)$/.exec(finding.fix) ?? [];
      await run('bash', ['-c', command]);
      await status('ok');
    } finally {
      await full.stop();
    }
  });

  it('a policy that evicts locks, with a limit, is critical; a full server as well', async () => {
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl');
    await server.command('CONFIG', 'SET', 'maxmemory', '100mb');
    expect(pick(await found(), /^maxmemory-policy is volatile-ttl, and \d+ keys were evicted/).severity).toBe('critical');
    await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await server.command('CONFIG', 'SET', 'maxmemory', '100');
    expect(pick(await found(), /^the memory is full/).severity).toBe('critical');
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
  });

  it('keys without a TTL below the prefix, and nobody else’s', async () => {
    for (const key of ["holdfast:it's", '{holdfast:a}:fence', 'other', '{other}:fence', '{holdfast:a}:record']) {
      await server.command('SET', key, '1');
    }
    const all = await found();
    expect(pick(all, /^a key below the prefix/).what).toContain(`"holdfast:it's"`);
    const siblings = pick(all, /^a sibling key/);
    expect(siblings.what).toContain('"{holdfast:a}:fence"');
    expect(all.some(({ what }) => what.includes('other') || what.includes('record'))).toBe(false);
    expect((await found({ prefix: '' })).some(({ what }) => what.includes('below the prefix'))).toBe(false);
    await mend(pick(all, /^a key below/));
    await mend(siblings);
    expect((await found()).some(({ what }) => what.includes('TTL'))).toBe(false);
    await server.command('FLUSHALL');
  });

  it('looks at many keys, and not at all of a very large database', async () => {
    await server.command('EVAL', "for i = 1, 250000 do redis.call('SET', 'x' .. i, '') end", '0');
    expect(pick(await found(), /^only about 200000 keys/).severity).toBe('info');
    await server.command('FLUSHALL');
  });

  describe('a user', () => {
    const as = (user: string) => server.url.replace('//', `//${user}:x@`);
    const make = (user: string, ...rules: string[]) =>
      server.command('ACL', 'SETUSER', user, 'reset', 'on', '>x', '~*', '&*', ...rules);

    it('who may do what the rule says has no complaint but that not everything may be asked', async () => {
      await server.command('ACL', 'SETUSER', 'tight', 'reset', 'on', '>x', ...aclRules);
      await everything(library, as('tight'));
      const all = await probe(library, as('tight'));
      expect(all.filter(({ severity }) => severity !== 'info')).toEqual([]);
      const finding = pick(all, /may not ask everything/);
      expect(finding.what).toContain('config|get');
      await mend({ ...finding, fix: finding.fix.replace(' USER ', ' tight ') });
      expect((await probe(library, as('tight'))).some(({ what }) => what.includes('may not'))).toBe(false);
    });

    it.each([
      ['without EVAL', ['+@all', '-eval'], 'critical', /may not run EVAL/],
      ['without EVALSHA', ['+@all', '-evalsha'], 'critical', /may not run EVALSHA/],
      ['without a command of the scripts', ['+@all', '-hset', '-zadd'], 'critical', /may not run ZADD, HSET/],
      [
        'without the siblings',
        ['resetkeys', '~holdfast:*', '+@all'],
        'critical',
        /may not .*use the keys holdfast:\* and \{holdfast:\*/,
      ],
      ['without PUBLISH', ['+@all', '-publish'], 'warning', /may not PUBLISH/],
      ['without its channels', ['resetchannels', '+@all'], 'warning', /may not PUBLISH/],
      ['without SUBSCRIBE', ['+@all', '-subscribe'], 'warning', /may not SUBSCRIBE/],
    ] as const)('%s', async (_title, rules, severity, what) => {
      await make('poor', ...rules);
      const finding = pick(await probe(library, as('poor')), what);
      expect(finding.severity).toBe(severity);
      await mend(finding);
      expect((await probe(library, as('poor'))).filter((one) => one.severity !== 'info')).toEqual([]);
    });
  });

  it('fewer replicas than a grant is to wait for', async () => {
    const finding = pick(await found({ replicas: 2 }), /^grants are to wait for 2 replicas, and 0 are connected/);
    expect(finding).toMatchObject({ severity: 'critical', fix: expect.stringContaining('redis(client, { replicas: 0 })') });
  });

  it('a replica by mistake, and a replica that takes writes', async () => {
    const replica = await replicaOf(server);
    try {
      const wrong = pick(await probe(library, replica.url), /^this server is a replica of 127.0.0.1/);
      expect(wrong.severity).toBe('critical');
      expect(wrong.fix).toContain(`127.0.0.1:${server.port}`);
      await replica.command('CONFIG', 'SET', 'replica-read-only', 'no');
      expect(pick(await probe(library, replica.url), /^this server is a writable replica/).severity).toBe('critical');
      const all = await found();
      expect(pick(all, /, one server, 1 replica/).severity).toBe('info');
      expect(pick(all, /^the clocks of the replica cannot be read/).fix).toContain(`-p ${replica.port} TIME`);
    } finally {
      await replica.stop();
    }
  });

  it('a replica that has stopped acknowledging', async () => {
    const replica = await replicaOf(server);
    try {
      standStill(replica.pid);
      await expect
        .poll(() => server.command('INFO', 'replication'), { timeout: 20_000, interval: 200 })
        .toMatch(/lag=(?:[4-9]|\d\d)/);
      expect(pick(await found(), /has acknowledged nothing for \d+ s/).severity).toBe('warning');
    } finally {
      process.kill(replica.pid, 'SIGCONT');
      await replica.stop();
    }
  });
});

describe.skipIf(redisIsMissing)('what a probe makes of', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());

  it('clocks that differ, ours and theirs', async () => {
    const time = new Server(async () => (await server.command('TIME')).split('\r\n').filter((line) => /^\d/.test(line)), 5_000);
    const right = await readClock(time);
    const [ahead, behind] = await Promise.all([3_600_000, -3_600_000].map((ms) => readClock(time, () => Date.now() - ms)));
    if (right === undefined || ahead === undefined || behind === undefined) throw new Error('TIME was not answered');
    expect(againstOurs(right)).toEqual([]);
    expect(againstOurs(ahead)).toMatchObject([{ severity: 'warning', what: expect.stringMatching(/3[56]\d\d\.\d s ahead of/) }]);
    expect(againstOurs(behind)).toMatchObject([{ what: expect.stringMatching(/3[56]\d\d\.\d s behind/) }]);
    expect(
      againstEachOther([
        ['a', right],
        ['b', right],
      ]),
    ).toEqual([]);
    expect(
      againstEachOther([
        ['a', right],
        ['b', ahead],
        ['c', right],
      ]),
    ).toMatchObject([
      { severity: 'warning', what: expect.stringMatching(/^the clock of b is 3[56]\d\d\.\d s ahead of that of [ac]$/) },
    ]);
  });

  it('a server that is away', async () => {
    const gone = await RedisServer.start();
    await gone.stop();
    const backend = await redisFromUrl(gone.url);
    await expect(backend.probe()).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    await backend.close();
    await expect(backend.probe()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('a server that is too old', async () => {
    const client = new Redis(server.url);
    const real = await factsOf(new Server((args) => client.call(...(args as [string])) as Promise<Reply>, commandTimeoutMs));
    client.disconnect();
    const info = new Map([...real.info]);
    const facts = { ...real, info };
    expect(version(facts)).toEqual([]);
    for (const [number, findings] of [
      ['6.2.0', 0],
      ['6.0.16', 1],
      ['5.0.14', 1],
      ['10.0.0', 0],
    ] as const) {
      info.set('redis_version', number);
      expect(version(facts)).toHaveLength(findings);
    }
  });
});
