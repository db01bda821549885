import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis6';
import { afterEach, describe, expect, it } from 'vitest';
import { type RedisClient, redis, redisFromUrl } from '../../../src/backends/redis/index.js';
import type { Backend } from '../../../src/core/backend.js';
import type { Holdfast } from '../../../src/core/holdfast.js';
import type { HeldLease } from '../../../src/core/lease.js';
import { openRedis } from '../../support/redis-clients.js';
import { redisIsMissing } from '../../support/redis-server.js';
import { awakeMs, lossOf, thrownBy } from '../../support/waits.js';
import { Scene } from './scene.js';

const ttlMs = 800;
const unavailableMs = 500;
/** A call may take half of the TTL, and begins before the time for trying is over. Room for a busy machine. */
const enoughMs = unavailableMs + ttlMs / 2 + 1_500;

/** A client takes up to a second, and some errors, until it has connected again. */
async function acquiredAgain(locks: Holdfast): Promise<HeldLease> {
  for (let tries = 1; ; tries++) {
    try {
      return await locks.acquire('job');
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}

const ends: (() => void)[] = [];

/** Commands without an answer are given up when the connection is made again, instead of sent again. */
const withoutResending = (Library: typeof Redis) => (url: string) => {
  const client = new Library(url, { autoResendUnfulfilledCommands: false });
  client.on('error', () => {});
  ends.push(() => client.disconnect());
  return redis(client as RedisClient);
};

const stores: Readonly<Record<string, (url: string) => Backend | Promise<Backend>>> = {
  'ioredis 5': (url) => openRedis('ioredis 5', url),
  'ioredis 5 without resending': withoutResending(Redis),
  'ioredis 6': (url) => openRedis('ioredis 6', url),
  'ioredis 6 without resending': withoutResending(Redis6 as unknown as typeof Redis),
  'node-redis 5': (url) => openRedis('node-redis 5', url),
  'node-redis 6': (url) => openRedis('node-redis 6', url),
};

describe.skipIf(redisIsMissing)('a half-open connection', () => {
  const scene = new Scene();
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  describe.each(Object.entries(stores))('through %s', (name, open) => {
    // A command that is written in the moment of a reset leaves this library out of step with its replies; 6 has mended it.
    const survives = name !== 'node-redis 5';

    it('lets nothing hang, and is forgotten when the server can be reached again', async () => {
      const proxy = await scene.proxy();
      const locks = scene.holderOn(await open(`redis://127.0.0.1:${proxy.port}`), { ttlMs, unavailableMs });
      const lease = await locks.acquire('job');
      const lost = lossOf(locks);
      proxy.silence();
      const sinceMs = awakeMs();
      const asked = thrownBy(locks.acquire('other'));
      expect(await thrownBy(locks.query())).toMatchObject({ name: 'OutcomeUnknownError' });
      const { loss, afterMs } = await lost;
      expect(loss).toBe('expired');
      expect(afterMs).toBeLessThan(ttlMs + 500);
      expect(await asked).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
      expect(awakeMs() - sinceMs).toBeLessThan(enoughMs + 2_000);
      expect(await lease.release()).toBe('unknown');
      proxy.speak();
      const next = await acquiredAgain(survives ? locks : await scene.holder());
      expect(await scene.work(next)).toBe(true);
      expect(await next.release()).toBe('released');
    });

    it('does not keep an instance from closing', async () => {
      const proxy = await scene.proxy();
      const locks = scene.holderOn(await open(`redis://127.0.0.1:${proxy.port}`), { ttlMs, unavailableMs });
      await locks.acquire('job');
      const waiting = thrownBy((await scene.holder()).acquire('job', { waitMs: 10 }));
      await waiting;
      proxy.silence();
      const sinceMs = awakeMs();
      await locks.close();
      expect(awakeMs() - sinceMs).toBeLessThan(enoughMs + 1_000);
      // What it held ends with its TTL.
      await (await (await scene.holder()).acquire('job')).release();
    });
  });

  it('from the very beginning: a client of our own says so within its deadline', async () => {
    const proxy = await scene.proxy();
    proxy.silence();
    const locks = scene.holderOn(await redisFromUrl(`redis://127.0.0.1:${proxy.port}`), { ttlMs, unavailableMs });
    const sinceMs = awakeMs();
    // The store knows that nothing was sent; where core's deadline comes first, nobody has asked it yet.
    const code = expect.stringMatching(/^(?:BACKEND_UNAVAILABLE|OUTCOME_UNKNOWN)$/);
    expect(await thrownBy(locks.acquire('job'))).toMatchObject({ code, permanent: false });
    expect(awakeMs() - sinceMs).toBeLessThan(enoughMs);
    proxy.speak();
    const lease = await acquiredAgain(locks);
    expect(await lease.release()).toBe('released');
  });
});
