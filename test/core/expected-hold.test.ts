import { expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { Holdfast } from '../../src/index.js';

/** What everybody is shown of how long a hold should take. */

async function shown(locks: Holdfast): Promise<unknown> {
  return (await locks.inspect('a')).held[0]?.metadata;
}

it('a lease shows what its request expects, beside its metadata, and never over it', async () => {
  const locks = new Holdfast(memory());
  for (const [options, metadata] of [
    [
      { expectedHoldMs: 50, metadata: { job: 1 } },
      { job: 1, expectedHoldMs: 50 },
    ],
    [{ expectedHoldMs: 50, waitMs: 0 }, { expectedHoldMs: 50 }],
    [{ expectedHoldMs: 50, metadata: { expectedHoldMs: 'mine' } }, { expectedHoldMs: 'mine' }],
    [{ metadata: { job: 1 } }, { job: 1 }],
  ] as const) {
    await using _lease = await locks.acquire('a', options);
    expect(await shown(locks)).toEqual(metadata);
  }
  await locks.close();
});

it('a hold that serves several in turn shows the sum; readers, who run together, the longest', async () => {
  const backend = memory();
  const [first, locks] = [new Holdfast(backend), new Holdfast(backend)];
  for (const [mode, sum] of [
    ['exclusive', 60],
    ['shared', 30],
  ] as const) {
    const lease = await first.acquire('a');
    let seen: unknown;
    const all = [10, 20, 30].map((expectedHoldMs) =>
      locks.request('a', { mode, expectedHoldMs }, async () => {
        seen ??= await shown(first);
      }),
    );
    await expect.poll(async () => (await first.inspect('a')).waiting.length).toBe(1);
    await lease.release();
    await Promise.all(all);
    expect(seen).toEqual({ expectedHoldMs: sum });
  }
  await first.close();
  await locks.close();
});
