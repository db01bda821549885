import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RedisClient, redis, redisFromUrl } from '../../src/backends/redis/index.js';
import type { Backend } from '../../src/core/backend.js';
import { ask, heldOf } from '../support/asks.js';
import { clients, openRedis } from '../support/redis-clients.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { standStill } from '../support/stand-still.js';
import { awakeMs } from '../support/waits.js';

const libraries = Object.keys(clients);

describe.skipIf(redisIsMissing)('calls', () => {
  let server: RedisServer;
  const open: Backend[] = [];
  const opened = async (backend: Backend | Promise<Backend>) => {
    open.push(await backend);
    return backend;
  };

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(async () => void (await server.command('FLUSHALL')));
  afterEach(async () => {
    for (const backend of open.splice(0)) await backend.close();
    await assertKeyspaceClean(server);
  });

  const hold = async (backend: Backend) => {
    const own = ask('c');
    const answer = await backend.acquire(own);
    if (answer.outcome === 'granted') await backend.release(heldOf(own));
    return answer.outcome;
  };

  describe.each(libraries)('through %s', (library) => {
    it('end at their own deadline where the server is silent, and go on when it speaks again', async () => {
      const store = await opened(openRedis(library, server.url, { commandTimeoutMs: 200 }));
      expect(await hold(store)).toBe('granted');
      standStill(server.pid);
      const sinceMs = awakeMs();
      const lost = ask('c');
      try {
        await expect(store.acquire(lost)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', permanent: false });
        expect(awakeMs() - sinceMs).toBeLessThan(1_000);
        const [renewal] = await store.renew([heldOf(lost)]);
        expect(renewal?.outcome).toBe('unknown');
      } finally {
        process.kill(server.pid, 'SIGCONT');
      }
      await store.abandon(lost);
      expect(await hold(store)).toBe('granted');
    });

    it('survive a server that was killed and is started again', async () => {
      const store = await opened(openRedis(library, server.url, { commandTimeoutMs: 5_000 }));
      expect(await hold(store)).toBe('granted');
      await server.kill();
      const waiting = hold(store);
      await sleep(100);
      await server.boot();
      expect(await waiting).toBe('granted');
    });

    it('wake again after the connection for wake-ups was cut', async () => {
      const store = await opened(openRedis(library, server.url));
      let wakes = 0;
      store.watch(ask('c').name, () => {
        wakes += 1;
      });
      const woken = async (times: number) => {
        for (const endMs = performance.now() + 10_000; wakes < times && performance.now() < endMs; ) await sleep(5);
        expect(wakes).toBe(times);
      };
      await woken(1);
      await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await woken(2);
    });

    it('leave the client to whom it belongs', async () => {
      const { client, end } = await (clients[library] as (typeof clients)[string])(server.url);
      const store = redis(client);
      store.watch(ask('c').name, () => {});
      await sleep(50);
      await store.close();
      await expect(store.acquire(ask('c'))).rejects.toMatchObject({ code: 'CLOSED' });
      expect(await hold(redis(client))).toBe('granted');
      end();
      await sleep(50);
      await expect(redis(client, { commandTimeoutMs: 50 }).acquire(ask('c'))).rejects.toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringContaining('closed'),
      });
      const list = await server.lines('CLIENT', 'LIST');
      expect(list.filter((line) => line.includes('sub=1'))).toEqual([]);
    });
  });

  it('say at once that a password is wrong, and what to do', async () => {
    const closed = await RedisServer.start('--requirepass', 'right');
    try {
      const wrong = await opened(redisFromUrl(closed.url.replace('//', '//:wrong@')));
      await expect(wrong.acquire(ask('c'))).rejects.toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        permanent: true,
        message: expect.stringMatching(/WRONGPASS.*password/),
      });
      const none = await opened(redisFromUrl(closed.url));
      await expect(none.acquire(ask('c'))).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true });
      const right = await opened(redisFromUrl(closed.url.replace('//', '//:right@')));
      expect(await hold(right)).toBe('granted');
    } finally {
      for (const backend of open.splice(0)) await backend.close();
      await closed.stop();
    }
  });

  it('say that a user may not do what is needed', async () => {
    await server.command('ACL', 'SETUSER', 'poor', 'on', 'nopass', '~*', '&*', '+@all', '-eval', '-evalsha');
    await server.command('ACL', 'SETUSER', 'narrow', 'on', 'nopass', '~other*', '&*', '+@all');
    for (const user of ['poor', 'narrow']) {
      const store = await opened(redisFromUrl(server.url.replace('//', `//${user}:x@`)));
      await expect(store.acquire(ask('c'))).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true });
    }
  });

  it('never use another database than the one asked for', async () => {
    const store = await opened(redisFromUrl(`${server.url}/99`));
    await expect(store.acquire(ask('c'))).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true });
    expect(await server.command('DBSIZE')).toBe(':0\r\n');
  });

  it('say that nobody listens where no server is, and that nothing was granted', async () => {
    const gone = await RedisServer.start();
    await gone.stop();
    const store = await opened(redisFromUrl(gone.url));
    await expect(store.acquire(ask('c', { ttlMs: 1_000 }))).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      permanent: false,
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('say that a server is a replica, or full, when it stays so', async () => {
    const store = await opened(openRedis('ioredis 5', server.url, { commandTimeoutMs: 1_000 }));
    const refused = { code: 'BACKEND_UNAVAILABLE', permanent: false };
    try {
      await server.command('REPLICAOF', '127.0.0.1', '1');
      await expect(store.acquire(ask('c'))).rejects.toMatchObject({ ...refused, message: expect.stringContaining('replica') });
      await server.command('REPLICAOF', 'NO', 'ONE');
      await server.command('CONFIG', 'SET', 'maxmemory', '1');
      await expect(store.acquire(ask('c'))).rejects.toMatchObject({ ...refused, message: expect.stringContaining('maxmemory') });
    } finally {
      await server.command('REPLICAOF', 'NO', 'ONE');
      await server.command('CONFIG', 'SET', 'maxmemory', '0');
    }
    expect(await hold(store)).toBe('granted');
  });

  it('refuse what is no client, or one that changes our keys', async () => {
    for (const client of [undefined, {}, 'redis://host', { call() {} }]) {
      expect(() => redis(client as unknown as RedisClient)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    const { Redis } = await import('ioredis');
    const prefixed = new Redis({ lazyConnect: true, keyPrefix: 'app:' });
    expect(() => redis(prefixed)).toThrow(/prefix/);
  });

  it.each(['release', 'nothing'])('keep no process alive after close (%s)', async (end) => {
    const script = `
      import { redisFromUrl } from './dist/backends/redis/index.js';
      import { Holdfast } from './dist/index.js';
      const locks = new Holdfast(await redisFromUrl(process.argv[1]));
      const lease = await locks.acquire('alive');
      const waiting = locks.acquire('alive', { waitMs: 100 }).catch(() => {});
      await waiting;
      if (process.argv[2] === 'release') await lease.release();
      await locks.close();
      console.log('closed');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, server.url, end], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const closedAtMs = awakeMs();
    expect(await once(child, 'exit')).toEqual([0, null]);
    // Whatever would keep it alive, keeps it for a second and longer.
    expect(awakeMs() - closedAtMs).toBeLessThan(900);
  });
});
