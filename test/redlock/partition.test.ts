import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Holdfast } from '../../src/core/holdfast.js';
import { redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { Scene } from './support.js';

describe.skipIf(redisIsMissing)('clients that reach different nodes', () => {
  const scene = new Scene(5);

  it('are never granted the same name at the same time, and clean up behind them', async () => {
    const [left, right] = [await scene.proxies(), await scene.proxies()];
    const one = await scene.holder({ ttlMs: 2_000, store: { through: left } });
    const other = await scene.holder({ ttlMs: 2_000, store: { through: right } });
    let inside = 0;
    let last = 0n;
    const turns = new Map<Holdfast, number>();
    let stopped = false;
    const work = async (locks: Holdfast) => {
      while (!stopped) {
        await locks
          .request('a', async (lease) => {
            inside += 1;
            expect(inside).toBe(1);
            expect(lease.fence).toBeGreaterThan(last);
            last = lease.fence;
            await sleep(2);
            inside -= 1;
            turns.set(locks, (turns.get(locks) ?? 0) + 1);
          })
          .catch((error: unknown) => {
            if ((error as { code?: string }).code !== 'BACKEND_UNAVAILABLE') throw error;
          });
      }
    };
    const working = [work(one), work(other)];
    const more = async () => {
      const before = turns.get(one) ?? 0;
      const otherBefore = turns.get(other) ?? 0;
      await until(() => (turns.get(one) ?? 0) > before + 3 && (turns.get(other) ?? 0) > otherBefore + 3, 'both go on', 30_000);
    };
    await more();
    // Each has a majority, and they share one node only.
    for (const index of [3, 4]) left[index]?.silence();
    for (const index of [0, 1]) right[index]?.silence();
    await more();
    for (const index of [3, 4]) left[index]?.speak();
    for (const index of [0, 1]) right[index]?.speak();
    await more();
    stopped = true;
    await Promise.all(working);
    await scene.clean();
  });

  it('get nothing with a minority, and leave nothing there', async () => {
    const right = await scene.proxies();
    const one = await scene.holder({ ttlMs: 5_000 });
    const other = await scene.holder({ ttlMs: 5_000, unavailableMs: 300, store: { through: right } });
    for (const index of [0, 1, 2]) right[index]?.silence();
    await expect(other.acquire('b')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    // The two that it reached are free at once: those that it does not reach never heard of it.
    await until(async () => !(await scene.holding('b')).includes(true), 'its votes are given back', 4_000);
    await (await one.acquire('b')).release();
  });
});
