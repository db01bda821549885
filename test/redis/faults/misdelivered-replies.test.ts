import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Crowd } from '../../support/crowd.js';
import { clients } from '../../support/redis-clients.js';
import { redisIsMissing } from '../../support/redis-server.js';
import { until } from '../../support/waits.js';
import { Scene } from './scene.js';

const names = Array.from({ length: 8 }, (_, i) => `job ${i}`);

// node-redis 5, whose connection is reset in the moment in which it writes a command, waits for that command's reply on the next
// connection as well: from then on each command is handed the reply of a later one.
describe.skipIf(redisIsMissing).each(Object.keys(clients))(
  'a reset in the moment in which commands are written (%s)',
  (library) => {
    const scene = new Scene();

    it('gives nobody the grant of another', async () => {
      const proxy = await scene.proxy();
      const locks = await scene.holder({ library, port: proxy.port, ttlMs: 1_000, unavailableMs: 500 });
      const wrong: string[] = [];
      const crowds = names.map((name) => {
        const work = async ({ fence }: { readonly fence: bigint }) => {
          const [stored] = (await scene.server.lines('GET', `{holdfast:${name}}:fence`)).join('').split(' ');
          if (stored !== String(fence)) wrong.push(`"${name}" was given ${fence}, and the store has ${stored}`);
        };
        return new Crowd([locks], name, work);
      });
      for (let i = 0; i < 8; i++) {
        await sleep(150);
        proxy.reset();
        // Written before the client can have heard of it.
        void locks.request(`another ${i}`, () => {}).catch(() => {});
      }
      await sleep(300);
      await Promise.all(crowds.map((crowd) => crowd.stop()));
      expect(wrong).toEqual([]);
      expect(crowds.reduce((sum, crowd) => sum + crowd.turns, 0)).toBeGreaterThan(0);
      await locks.close();
      // A release may have been taken for answered: what it was to end ends with its TTL.
      const held = async () => (await scene.server.command('KEYS', 'holdfast:*')) !== '*0\r\n';
      await until(async () => !(await held()), 'all locks are gone');
      // So may a withdrawal: the place in the queue is passed over by whoever comes, and ends with its time, which is longer.
      const places = names.flatMap((name) => [`{holdfast:${name}}:queue`, `{holdfast:${name}}:who`]);
      for (const place of places) expect(await scene.server.command('PTTL', place)).not.toBe(':-1\r\n');
      await scene.server.command('DEL', ...places);
    });
  },
);
