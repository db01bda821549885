import { describe, expect, it } from 'vitest';
import { ask, heldOf } from '../../support/asks.js';
import { openRedis } from '../../support/redis-clients.js';
import { redisIsMissing } from '../../support/redis-server.js';
import { Scene } from './scene.js';

const count = 10_000;

/** What the server has computed so far. */
async function processorS(scene: Scene): Promise<number> {
  const said = await scene.server.command('INFO', 'cpu');
  return sum([...said.matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)].map(([, seconds]) => Number(seconds)));
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

describe.skipIf(redisIsMissing)('10,000 waiters on one name', () => {
  const scene = new Scene();

  it('as callers of four instances: all are served, those of an instance in their order', async () => {
    const holders = [
      await scene.holder(),
      await scene.holder(),
      await scene.holder({ library: 'node-redis 5' }),
      await scene.holder(),
    ];
    const served: number[][] = holders.map(() => []);
    let last = 0n;
    const requests = Array.from({ length: count }, (_, i) =>
      holders[i % holders.length]?.request('job', (lease) => {
        expect(lease.fence).toBeGreaterThan(last);
        last = lease.fence;
        served[i % holders.length]?.push(i);
      }),
    );
    await Promise.all(requests.filter((request) => request !== undefined));
    for (const [i, turns] of served.entries()) {
      expect(turns).toEqual(Array.from({ length: count / holders.length }, (_, n) => n * holders.length + i));
    }
  });

  it('as asks in the store: each release costs the server the same, and the queue is served first come, first served', async () => {
    const store = await openRedis('ioredis 5', scene.server.url, { commandTimeoutMs: 20_000 });
    // Calls may not take longer than half of it.
    const ttlMs = 60_000;
    const asks = Array.from({ length: count }, () => ask('job', { enqueue: true, ttlMs }));
    const holder = ask('job', { ttlMs });
    await store.acquire(holder);
    await Promise.all(asks.map((each) => store.acquire(each)));
    const spentS: number[] = [];
    let previous = holder;
    let last = 0n;
    for (let i = 0; i < count; i += 500) {
      const before = await processorS(scene);
      // Sent together: the server takes them in order, so each ask finds the release before it done.
      const sent = asks.slice(i, i + 500).flatMap((next) => {
        const released = store.release(heldOf(previous));
        previous = next;
        return [released, store.acquire(next)] as const;
      });
      for (const answer of await Promise.all(sent)) {
        if (answer === 'released') continue;
        if (typeof answer === 'string' || answer.outcome !== 'granted')
          throw new Error(`not served in order: ${JSON.stringify(answer)}`);
        expect(answer.fences.first).toBeGreaterThan(last);
        last = answer.fences.last;
      }
      spentS.push((await processorS(scene)) - before);
    }
    expect(await store.release(heldOf(previous))).toBe('released');
    // Not its time by the clock, which others take from it on a busy machine. A walk through the queue would cost nine times as much in the one as in the other.
    const [longest, shortest] = [sum(spentS.slice(0, 5)), sum(spentS.slice(-5))];
    expect(longest / shortest).toBeLessThan(4);
    await store.close();
  });
});
