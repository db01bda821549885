import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Holdfast } from '../../../src/index.js';
import { openRedis } from '../../support/redis-clients.js';
import { assertKeyspaceClean } from '../../support/redis-keyspace.js';
import { RedisServer, redisIsMissing } from '../../support/redis-server.js';

/** A lock of the code that is migrated from or to. */
export interface Theirs {
  /** Tries once. What releases it, or undefined if somebody else has it. */
  take(name: string, ttlMs: number): Promise<(() => Promise<unknown>) | undefined>;
  /** Its locks end by themselves. Default: true. */
  readonly ends?: boolean;
}

interface Setting {
  /** Of Holdfast, so that both use the same key for the same name. */
  readonly prefix: string;
  open(client: Redis): Theirs;
  /** The client under Holdfast, where more than one is to be tried. */
  readonly libraries?: readonly string[];
}

const longMs = 30_000;
const name = 'stock:7';

/** Both directions, with locks in flight. */
export function coexists(title: string, { prefix, open, libraries = ['ioredis 5'] }: Setting): void {
  describe.skipIf(redisIsMissing).each(libraries)(`${title}, with Holdfast on %s`, (library) => {
    let server: RedisServer;
    let client: Redis;
    let theirs: Theirs;
    let ours: Holdfast;
    const opened: Holdfast[] = [];
    const another = async () => {
      const holdfast = new Holdfast(await openRedis(library, server.url, { prefix }));
      opened.push(holdfast);
      return holdfast;
    };

    beforeAll(async () => {
      server = await RedisServer.start();
      client = new Redis(server.port);
    });
    afterAll(async () => {
      client?.disconnect();
      await server?.stop();
    });
    beforeEach(async () => {
      await server.command('FLUSHALL');
      theirs = open(client);
      ours = await another();
    });
    afterEach(async () => {
      for (const holdfast of opened.splice(0)) await holdfast.close();
      await assertKeyspaceClean(server);
    });

    const taken = async (ttlMs = longMs) => {
      const release = await theirs.take(name, ttlMs);
      if (release === undefined) throw new Error('they did not get a free name');
      return release;
    };

    it('a name of theirs is refused to us until they release it, which the poll finds', async () => {
      const release = await taken();
      await expect(ours.acquire(name, { waitMs: 0 })).rejects.toMatchObject({ code: 'BUSY' });
      expect(await ours.request(name, { mode: 'shared', ifAvailable: true }, (lease) => lease)).toBeNull();
      const waiting = ours.acquire(name, { waitMs: longMs });
      const still = await Promise.race([waiting.then(() => 'ours'), sleep(300, 'theirs')]);
      expect(still).toBe('theirs');
      await release();
      await (await waiting).release();
    });

    it('a name of theirs, who have died, is ours when their time is over', async () => {
      const ttlMs = 1_000;
      const sinceMs = performance.now();
      await taken(ttlMs);
      if (theirs.ends === false) {
        await client.del(`${prefix}${name}`);
        return;
      }
      const lease = await ours.acquire(name, { waitMs: longMs });
      // The server's clock counts in whole milliseconds.
      expect(performance.now() - sinceMs).toBeGreaterThan(ttlMs - 5);
      await lease.release();
    });

    it('a name of ours is refused to them until we release it', async () => {
      const lease = await ours.acquire(name);
      expect(await theirs.take(name, longMs)).toBeUndefined();
      lease.assertHeld();
      await lease.release();
      await (await taken())();
      const shared = await ours.acquire(name, { mode: 'shared' });
      expect(await theirs.take(name, longMs)).toBeUndefined();
      await shared.release();
    });

    it('a renewal of ours is seen by them, and they do not end it', async () => {
      const lease = await ours.acquire(name, { ttlMs: 1_500 });
      await sleep(2_000);
      expect(await theirs.take(name, longMs)).toBeUndefined();
      lease.assertHeld();
      await lease.release();
    });

    it('a name that we hand on among ourselves is not theirs in between', async () => {
      const lease = await ours.acquire(name);
      const second = await another();
      const waiting = second.acquire(name, { waitMs: longMs });
      await expect.poll(async () => (await ours.query()).pending).toHaveLength(1);
      await lease.release();
      expect(await theirs.take(name, longMs)).toBeUndefined();
      await (await waiting).release();
    });

    it('their late release does not end ours', async () => {
      const release = await taken();
      await client.del(`${prefix}${name}`);
      const lease = await ours.acquire(name);
      await release().catch(() => {});
      expect(await ours.inspect(name)).toMatchObject({ held: [{ fence: lease.fence }] });
      lease.assertHeld();
      await lease.release();
    });

    it('never two at once, while some have been migrated and others have not', async () => {
      let inside = 0;
      const turns = { ours: 0, theirs: 0 };
      const work = async (who: keyof typeof turns) => {
        inside += 1;
        expect(inside).toBe(1);
        await sleep(2);
        inside -= 1;
        turns[who] += 1;
      };
      const second = await another();
      const endMs = performance.now() + 1_000;
      const isOn = () => performance.now() < endMs || turns.ours < 2 || turns.theirs < 2;
      const migrated = async (holdfast: Holdfast) => {
        while (isOn()) {
          await holdfast.request(name, () => work('ours'));
          // So that the others, who do not queue, find it free at times.
          await sleep(Math.random() * 30);
        }
      };
      const old = async () => {
        while (isOn()) {
          const release = await theirs.take(name, longMs);
          if (release !== undefined) {
            await work('theirs');
            await release();
          }
          await sleep(Math.random() * 10);
        }
      };
      await Promise.all([migrated(ours), migrated(second), old(), old()]);
    });
  });
}
