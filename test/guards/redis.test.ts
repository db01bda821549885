import assert from 'node:assert/strict';
import { Cluster, Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis6';
import { createClient, createCluster } from 'redis';
import { createClient as createClient6 } from 'redis6';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BackendCorruptError,
  BackendUnavailableError,
  InvalidArgumentError,
  NotSupportedError,
  OutcomeUnknownError,
} from '../../src/core/errors.js';
import { type RedisClient, type RedisGuard, type RedisWrites, redisGuard } from '../../src/guards/redis/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { thrownBy } from '../support/waits.js';
import { guardContract } from './contract.js';

const clients: Readonly<
  Record<string, (port: number) => { client: RedisClient; open?: () => Promise<unknown>; close(): unknown }>
> = {
  'ioredis 5': (port) => {
    const client = new Redis({ port, lazyConnect: true });
    return { client, close: () => client.disconnect() };
  },
  'ioredis 6': (port) => {
    const client = new Redis6({ port, lazyConnect: true });
    return { client, close: () => client.disconnect() };
  },
  'node-redis 5': (port) => {
    const client = createClient({ socket: { port, host: '127.0.0.1' } });
    return { client, open: () => client.connect(), close: () => client.destroy() };
  },
  'node-redis 6': (port) => {
    const client = createClient6({ socket: { port, host: '127.0.0.1' } });
    return { client, open: () => client.connect(), close: () => client.destroy() };
  },
};

describe.skipIf(redisIsMissing)('guard of a Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterAll(() => cluster.stop());

  const open = {
    ioredis() {
      const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })));
      return { client, get: (key: string) => client.get(key), connect: async () => {}, close: () => client.disconnect() };
    },
    'node-redis'() {
      const client = createCluster({ rootNodes: cluster.nodes.map(({ port }) => ({ socket: { host: '127.0.0.1', port } })) });
      return { client, get: (key: string) => client.get(key), connect: () => client.connect(), close: () => client.destroy() };
    },
  };

  it.each(['ioredis', 'node-redis'] as const)(
    'writes with %s where the mark lies, and says which keys lie elsewhere',
    async (library) => {
      const { client, get, connect, close } = open[library]();
      await connect();
      const guard = redisGuard(client, { prefix: `${library}:` });
      for (const resource of ['a', 'b', 'c', '', '{x}', 'account:7', '}', '{}']) {
        const key = `${guard.tag(resource)}:value:${library}`;
        await guard.run({ resource, fence: 5n }, (writes) => {
          writes.set(key, 'x');
          writes.hset(`${key}:more`, { a: 1 });
        });
        expect(await thrownBy(guard.run({ resource, fence: 4n }, (writes) => writes.set(key, 'late')))).toMatchObject({
          fence: 4n,
          mark: 5n,
        });
        expect(await get(key)).toBe('x');
        expect(await guard.mark(resource)).toBe(5n);
      }
      const error = await thrownBy(guard.run({ resource: 'a', fence: 5n }, (writes) => writes.set('elsewhere', 'x')));
      assert(error instanceof InvalidArgumentError);
      expect(error.message).toContain('{a}');
      close();
    },
  );
});

describe.skipIf(redisIsMissing)('guard of Redis', () => {
  let server: RedisServer;
  let look: Redis;
  let guard: RedisGuard;
  beforeAll(async () => {
    server = await RedisServer.start();
    look = new Redis({ port: server.port });
    guard = redisGuard(look);
  });
  afterAll(async () => {
    look.disconnect();
    await server.stop();
  });
  const dataOf = (own: RedisGuard, resource: string) => `${own.tag(resource)}:value`;

  describe.each(Object.keys(clients))('with %s', (library) => {
    let opened: ReturnType<(typeof clients)[string]>;
    let own: RedisGuard;
    beforeAll(async () => {
      const open = clients[library];
      assert(open);
      opened = open(server.port);
      await opened.open?.();
      own = redisGuard(opened.client, { prefix: `${library}:` });
    });
    afterAll(() => void opened.close());
    guardContract<RedisWrites>(() => ({
      guard: own,
      write: (writes, resource, value) => writes.set(`${library}${dataOf(own, resource)}`, value),
      read: async (resource) => (await look.get(`${library}${dataOf(own, resource)}`)) ?? undefined,
    }));
  });

  it('does every kind of write in one step', async () => {
    await look.set('n', '41');
    await guard.run({ resource: 'kinds', fence: 1n }, (writes) => {
      writes.set('s', 'text', { ttlMs: 60_000 });
      writes.set('number', 7);
      writes.hset('h', { a: '1', b: 2, c: '' });
      writes.hdel('h', 'b');
      writes.incrBy('n', 1n);
      writes.incrBy('fresh', -3);
      writes.rpush('l', 'x', 'y');
      writes.sadd('set', 'p', 'q');
      writes.srem('set', 'q');
      writes.zadd('z', 1.5, 'm');
      writes.xadd('stream', { event: 'paid' });
      writes.del('number');
      writes.rpush('number', 'is a list now');
    });
    expect(await look.pttl('s')).toBeGreaterThan(0);
    expect(await look.mget('s', 'n', 'fresh')).toEqual(['text', '42', '-3']);
    expect(await look.hgetall('h')).toEqual({ a: '1', c: '' });
    expect(await look.lrange('l', 0, -1)).toEqual(['x', 'y']);
    expect(await look.smembers('set')).toEqual(['p']);
    expect(await look.zscore('z', 'm')).toBe('1.5');
    expect(await look.xlen('stream')).toBe(1);
    expect(await look.lrange('number', 0, -1)).toEqual(['is a list now']);
  });

  it('writes nothing at all where one of the writes cannot be done', async () => {
    await look.set('text', 'no number');
    await look.set('count', '5');
    await look.set('full', String(2n ** 63n - 1n));
    const impossible: readonly ((writes: RedisWrites) => void)[] = [
      (writes) => writes.hset('text', { a: '1' }),
      (writes) => writes.incrBy('text', 1),
      (writes) => writes.incrBy('full', 1),
      (writes) => {
        writes.set('made', 'x');
        writes.hset('made', { a: '1' });
      },
    ];
    for (const [i, write] of impossible.entries()) {
      const resource = `impossible ${i}`;
      const work = guard.run({ resource, fence: 5n }, (writes) => {
        writes.incrBy('count', 3);
        writes.incrBy('new counter', 1);
        writes.set('other', 'written');
        write(writes);
      });
      expect(await thrownBy(work)).toBeInstanceOf(NotSupportedError);
      expect(await guard.mark(resource)).toBeUndefined();
    }
    expect(await look.mget('count', 'other', 'made', 'text', 'new counter')).toEqual(['5', null, null, 'no number', null]);
  });

  it('writes nothing where the user may not do one of the writes', async () => {
    await look.call('ACL', 'SETUSER', 'poor', 'on', 'nopass', '~*', '+@all', '-hset');
    const poor = new Redis({ port: server.port, username: 'poor', password: 'any' });
    const work = redisGuard(poor).run({ resource: 'acl', fence: 5n }, (writes) => {
      writes.set('acl-first', 'x');
      writes.hset('acl-second', { a: '1' });
    });
    expect(await thrownBy(work)).toBeInstanceOf(NotSupportedError);
    poor.disconnect();
    expect(await look.exists('acl-first', 'acl-second')).toBe(0);
    expect(await guard.mark('acl')).toBeUndefined();
  });

  it.each(['set', 'lpush', 'ltrim', 'pexpire', 'decrby'])(
    'writes nothing where the user may not %s, which the mark needs',
    async (command) => {
      const user = `without-${command}`;
      await look.call('ACL', 'SETUSER', user, 'on', 'nopass', '~*', '+@all', `-${command}`);
      const poor = new Redis({ port: server.port, username: user, password: 'any' });
      const work = redisGuard(poor).run({ resource: user, fence: 5n }, (writes) => writes.incrBy(`${user}:n`, 1));
      const error = await thrownBy(work);
      poor.disconnect();
      expect(await look.exists(`${user}:n`)).toBe(0);
      expect(await guard.mark(user)).toBeUndefined();
      expect(error).toBeInstanceOf(NotSupportedError);
    },
  );

  it('writes nothing where the server has no memory left', async () => {
    const used = Number(/used_memory:(\d+)/.exec(await look.info('memory'))?.[1]);
    await look.call('CONFIG', 'SET', 'maxmemory', String(Math.floor(used / 2)), 'maxmemory-policy', 'noeviction');
    try {
      for (const write of [
        (writes: RedisWrites) => writes.incrBy('oom-counter', 1),
        (writes: RedisWrites) => writes.del('nothing'),
      ]) {
        const work = guard.run({ resource: 'oom', fence: 5n }, (writes) => {
          write(writes);
          writes.set('oom-value', 'x');
        });
        expect(await thrownBy(work)).toBeInstanceOf(BackendUnavailableError);
      }
    } finally {
      await look.call('CONFIG', 'SET', 'maxmemory', '0');
    }
    expect(await look.exists('oom-counter', 'oom-value')).toBe(0);
    expect(await guard.mark('oom')).toBeUndefined();
  });

  it('refuses what it would not write, or not as it is meant', async () => {
    const write = { resource: 'arguments', fence: 1n };
    let late: RedisWrites | undefined;
    const wrong: readonly ((writes: RedisWrites) => void)[] = [
      (writes) => writes.incrBy('n', 1.5),
      (writes) => writes.hset('h', {}),
      (writes) => writes.set('s', Number.NaN),
      (writes) => writes.set('s', undefined as unknown as string),
      (writes) => writes.set('s', 'x', { ttlMs: 0 }),
      (writes) => writes.set('s', 'x', { ttlMs: 1e19 }),
      (writes) => {
        writes.set('n', 1);
        writes.incrBy('n', 1);
      },
      (writes) => writes.set(`holdfast:mark:${guard.tag('arguments')}`, '1'),
    ];
    for (const work of wrong) expect(await thrownBy(guard.run(write, work))).toBeInstanceOf(InvalidArgumentError);
    await guard.run(write, (writes) => {
      late = writes;
    });
    expect(await thrownBy(() => late?.set('s', 'x'))).toBeInstanceOf(InvalidArgumentError);
  });

  it('gives the mark no TTL, and does not take anything else for a mark', async () => {
    await guard.run({ resource: 'ttl', fence: 1n }, (writes) => writes.set('ttl-value', 'x', { ttlMs: 60_000 }));
    expect(await look.pttl('holdfast:mark:{ttl}')).toBe(-1);
    await look.set('holdfast:mark:{bad}', '007');
    expect(await thrownBy(guard.mark('bad'))).toBeInstanceOf(BackendCorruptError);
    expect(await thrownBy(guard.raise({ resource: 'bad', fence: 9n }))).toBeInstanceOf(BackendCorruptError);
    expect(await thrownBy(guard.run({ resource: 'bad', fence: 9n }, () => {}))).toBeInstanceOf(BackendCorruptError);
  });

  it('puts the prefix of ioredis before its keys, too', async () => {
    const client = new Redis({ port: server.port, keyPrefix: 'app:' });
    await redisGuard(client).run({ resource: 'prefixed', fence: 4n }, (writes) => writes.set('prefixed', 'x'));
    expect(await look.mget('app:holdfast:mark:{prefixed}', 'app:prefixed')).toEqual(['4', 'x']);
    expect(await redisGuard(client).mark('prefixed')).toBe(4n);
    client.disconnect();
  });

  it('finds its scripts gone, and sends them again', async () => {
    await look.script('FLUSH');
    await guard.run({ resource: 'flushed', fence: 4n }, (writes) => writes.set('flushed', 'x'));
    expect(await look.get('flushed')).toBe('x');
  });

  describe('through a network that fails', () => {
    let proxy: FaultProxy;
    beforeAll(async () => {
      proxy = await FaultProxy.start(server.port);
    });
    afterAll(() => proxy.close());

    it('does not count twice what the library sends again, and does not call it stale when a higher fence came between', async () => {
      const client = new Redis({ port: proxy.port, retryStrategy: () => 50 });
      const own = redisGuard(client);
      await own.raise({ resource: 'resent', fence: 1n });
      // The script is known by now, so that the next one is the one that counts.
      await own.run({ resource: 'resent', fence: 5n }, (writes) => writes.set('resent', 'x'));
      const raced: Promise<unknown>[] = [];
      client.once('reconnecting', () => raced.push(guard.raise({ resource: 'resent', fence: 9n })));
      const lost = proxy.once('evalsha', 'lose-reply');
      await own.run({ resource: 'resent', fence: 5n }, (writes) => writes.incrBy('resent-counter', 1));
      await lost;
      expect(raced).toHaveLength(1);
      expect(await raced[0]).toBe(9n);
      expect(await look.get('resent-counter')).toBe('1');
      client.disconnect();
    });

    it('says that the outcome is unknown when no answer comes', async () => {
      const client = new Redis({ port: proxy.port });
      await client.ping();
      const own = redisGuard(client, { commandTimeoutMs: 200 });
      proxy.silence();
      const error = await thrownBy(own.run({ resource: 'silent', fence: 5n }, (writes) => writes.set('silent', 'x')));
      expect(error).toBeInstanceOf(OutcomeUnknownError);
      client.disconnect();
      proxy.speak();
    });
  });
});
