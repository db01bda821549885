import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { Holdfast } from '../../../src/index.js';
import { openRedis } from '../../support/redis-clients.js';
import { RedisServer, redisIsMissing } from '../../support/redis-server.js';
import { coexists, type Theirs } from './coexistence.js';

const prefix = 'lock:';
const compareAndDelete = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

coexists('SETNX and EXPIRE', {
  prefix,
  open: (client) => ({
    async take(name, ttlMs) {
      const [key, token] = [prefix + name, randomUUID()];
      if ((await client.setnx(key, token)) === 0) return undefined;
      await client.pexpire(key, ttlMs);
      return () => client.eval(compareAndDelete, 1, key, token);
    },
  }),
});

coexists('SET … NX GET', {
  prefix,
  open: (client) => ({
    async take(name, ttlMs) {
      const [key, token] = [prefix + name, randomUUID()];
      if ((await client.call('SET', key, token, 'NX', 'GET', 'PX', ttlMs)) !== null) return undefined;
      return () => client.eval(compareAndDelete, 1, key, token);
    },
  }),
});

/** The algorithm of the SETNX page of the Redis documentation: the value says when the lock is over, and there is no TTL. */
function getset(client: Redis): Theirs {
  return {
    ends: false,
    async take(name, ttlMs) {
      const key = prefix + name;
      const ends = () => String(Date.now() + ttlMs + 1);
      let own = ends();
      if ((await client.setnx(key, own)) === 0) {
        const seen = await client.get(key);
        // Released meanwhile: not to be taken for "over".
        if (seen === null || !(Number(seen) < Date.now())) return undefined;
        own = ends();
        if (!(Number(await client.getset(key, own)) < Date.now())) return undefined;
      }
      return () => client.eval(compareAndDelete, 1, key, own);
    },
  };
}

coexists('GETSET', { prefix, open: getset });

describe.skipIf(redisIsMissing)('what old code must not do', () => {
  it('taking a name that was just released for one that is over, and writing over it', async () => {
    const server = await RedisServer.start();
    const ours = new Holdfast(await openRedis('ioredis 5', server.url, { prefix }), { ttlMs: 5_000 });
    try {
      expect(await server.command('GET', 'lock:a')).toBe('$-1\r\n');
      const lease = await ours.acquire('a');
      expect(await server.command('GETSET', 'lock:a', '1')).toContain('holdfast');
      await expect.poll(() => lease.signal.aborted, { timeout: 10_000 }).toBe(true);
      // Nobody has it, and it has no end: only code that reads the time in it can go on.
      await expect(ours.acquire('a', { waitMs: 0 })).rejects.toMatchObject({ code: 'BUSY' });
      expect(await server.command('PTTL', 'lock:a')).toBe(':-1\r\n');
    } finally {
      await ours.close();
      await server.stop();
    }
  });

  it.each([
    ['taking what is no number for a time that is over', ['GETSET', 'lock:a', '1795000000000']],
    ['overwriting first and looking then', ['SET', 'lock:a', 'token', 'GET', 'PX', '30000']],
    ['deleting what may be somebody else’s', ['DEL', 'lock:a']],
  ])('%s ends our lease: the holder is told, and never extends theirs', async (_what, command) => {
    const server = await RedisServer.start();
    const ours = new Holdfast(await openRedis('ioredis 5', server.url, { prefix }), { ttlMs: 5_000 });
    try {
      const lease = await ours.acquire('a');
      await server.command(...command);
      await expect.poll(() => lease.signal.aborted, { timeout: 10_000 }).toBe(true);
      expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST', loss: 'forgotten' });
      await lease.release().catch(() => {});
      expect(await server.command('GET', 'lock:a')).not.toContain('holdfast');
    } finally {
      await ours.close();
      await server.stop();
    }
  });
});
