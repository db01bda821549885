import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/backends/memory/index.js';
import type { Ask } from '../../src/core/backend.js';
import { limits } from '../../src/core/limits.js';
import { parseName } from '../../src/core/name.js';
import { gate } from '../../src/testkit/conformance/wrappers.js';
import { instances, outcomeOf } from './instances.js';

describe('after the machine slept', () => {
  it('a loss is told within a second of its waking, however far the next timer was', async () => {
    const { ports, locks } = instances({ renew: () => new Promise<never>(() => {}) }, { ttlMs: 3_600_000 });
    const lease = await locks.acquire('x');
    const { signal } = lease;
    await ports.pass(10);
    ports.suspend(7_200_000);
    await ports.pass(limits.clockCheckMsMax);
    expect(signal.reason).toMatchObject({ loss: 'expired' });
    outcomeOf(lease.release());
    await ports.pass(0);
  });

  it('nobody passes the head of the queue: the claim windows count from when the end was noticed', () => {
    let nowMs = 0;
    const store = new MemoryStore({ nowMs: () => nowMs, wallUs: () => 0n });
    const ask = (owner: string): Ask => ({
      name: parseName('x'),
      owner,
      mode: 'exclusive',
      ttlMs: 1_000,
      fences: 1,
      enqueue: true,
      node: { host: 'h', pid: 1, bootId: 'b', startedAt: '1', nonce: owner },
      metadata: {},
    });
    for (const owner of ['holder', 'first', 'second', 'third']) store.acquire(ask(owner));
    nowMs += 1_000 + 3 * limits.claimMs;
    expect(store.acquire(ask('third'))).toMatchObject({ outcome: 'refused', ahead: 2 });
    expect(store.acquire(ask('first'))).toMatchObject({ outcome: 'granted' });
  });
});

describe('an ask of which a copy may be under way', () => {
  it('is withdrawn also if its hold was forgotten by the store', async () => {
    let tries = 0;
    let copy: Ask | undefined;
    const { ports, store, locks, records } = instances({
      acquire: (call, ask) => {
        tries += 1;
        copy = ask;
        return tries === 1 ? Promise.reject(new Error('no answer')) : call(ask);
      },
    });
    const acquiring = outcomeOf(locks.acquire('x'));
    await ports.pass(500);
    const [record] = records();
    expect(record).toBeDefined();
    store.forgetEverything();
    await ports.pass(2_000);
    expect(acquiring.value?.signal.aborted).toBe(true);
    if (acquiring.value !== undefined) outcomeOf(acquiring.value.release());
    await ports.pass(100);
    expect(store.acquire(copy as Ask)).toMatchObject({ outcome: 'refused', because: 'abandoned' });
  });
});

describe('a second release', () => {
  it('does not take back what another living path has noted', async () => {
    const { ports, locks } = instances();
    const suspected: string[] = [];
    locks.on('deadlock-suspected', ({ because }) => suspected.push(because));
    const shared = { mode: 'shared' } as const;
    const end = gate();
    const living = outcomeOf(
      locks.request('a', shared, async () => {
        const lease = await locks.acquire('b', shared);
        await end.opened;
        await lease.release();
      }),
    );
    await ports.pass(10);
    outcomeOf(
      locks.request('a', shared, async () => {
        const lease = await locks.acquire('b', shared);
        await lease.release();
        await lease.release();
      }),
    );
    await ports.pass(10);
    outcomeOf(locks.request('b', shared, () => locks.request('a', shared, () => {})));
    await ports.pass(10);
    expect(suspected).toEqual(['order']);
    end.open();
    await ports.pass(10);
    expect(living.settled).toBe(true);
  });
});
