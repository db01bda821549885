import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { redisIsMissing } from '../support/redis-server.js';
import { Scene } from './support.js';

describe.skipIf(redisIsMissing)('a crowd on one name', () => {
  const scene = new Scene(5);

  it('of 32 processes makes steady progress on five nodes', async () => {
    const holders = await Promise.all(Array.from({ length: 32 }, () => scene.holder({ ttlMs: 10_000 })));
    const turns = holders.map(() => 0);
    let inside = 0;
    let last = 0n;
    // Each takes as many turns as all the others: whoever starved would not come to its end.
    await Promise.all(
      holders.map(async (locks, index) => {
        for (let turn = 0; turn < 5; turn++) {
          await locks.request('a', async (lease) => {
            inside += 1;
            expect(inside).toBe(1);
            expect(lease.fence).toBeGreaterThan(last);
            last = lease.fence;
            await sleep(1);
            inside -= 1;
          });
          turns[index] = turn + 1;
        }
      }),
    );
    expect(turns).toEqual(holders.map(() => 5));
  });
});
