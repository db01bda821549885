import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.js';
import { instances, outcomeOf } from './instances.js';

const silent = () => new Promise<never>(() => {});

describe('a machine that slept for less than the lease', () => {
  it('is noticed: the lease is renewed at once, long before it was due', async () => {
    const { ports, locks, store } = instances({}, { ttlMs: 3_600_000 });
    const lease = await locks.acquire('x');
    const before = lease.remainingMs;
    await ports.pass(10);
    ports.suspend(1_800_000);
    await ports.pass(limits.clockCheckMsMax);
    expect(lease.remainingMs).toBeGreaterThan(before - 5_000);
    expect([...store.list('')].map(({ renewals }) => renewals)).toEqual([1]);
    await lease.release();
  });

  it('a loss comes no later than the deadline that has come nearer', async () => {
    const { ports, locks } = instances({ renew: silent }, { ttlMs: 10_000 });
    const lease = await locks.acquire('x');
    // Asked for now: asking looks at the clock.
    const { signal } = lease;
    ports.suspend(8_000);
    // The sleep has left less than two seconds of the TTL.
    await ports.pass(1_900);
    expect(signal.reason).toMatchObject({ loss: 'expired' });
    outcomeOf(lease.release());
    await ports.pass(0);
  });

  it('a lease that is taken meanwhile does not hide it', async () => {
    const { ports, locks } = instances({ renew: silent }, { ttlMs: 3_600_000 });
    const lease = await locks.acquire('x');
    const { signal } = lease;
    await ports.pass(10);
    ports.suspend(7_200_000);
    const other = await locks.acquire('y', { ttlMs: 1_000 });
    await ports.pass(limits.clockCheckMsMax);
    expect(signal.aborted).toBe(true);
    for (const each of [lease, other]) outcomeOf(each.release());
    await ports.pass(0);
  });
});

describe('a listener that takes its time', () => {
  it('does not let the renewal of another lease go out after its deadline', async () => {
    const sent: string[] = [];
    const { ports, locks } = instances({
      renew: (call, holds) => {
        sent.push(...holds.map(({ name }) => name.text));
        return call(holds);
      },
    });
    const slow = await locks.acquire('slow', { ttlMs: 900 });
    const lost = await locks.acquire('lost', { ttlMs: 300 });
    locks.on('lost', ({ name }) => void (name === 'lost' && ports.stall(400)));
    ports.stall(580);
    await ports.pass(0);
    await ports.pass(20);
    expect(sent).toEqual([]);
    expect(slow.signal.aborted).toBe(true);
    for (const each of [slow, lost]) outcomeOf(each.release());
    await ports.pass(0);
  });
});

describe('whatever a caller or a store hands over', () => {
  it('a promise with a `then` of its own does not keep the lock', async () => {
    const { ports, locks } = instances();
    const method = 'then';
    const odd = Promise.resolve(1);
    Reflect.set(odd, method, () => {
      throw new Error('not to be called');
    });
    const first = outcomeOf(locks.request('x', () => odd));
    const second = outcomeOf(locks.request('x', () => 2));
    await ports.pass(10);
    expect([first.value, second.value]).toEqual([1, 2]);
  });

  it('a grant without a range of fences is no grant', async () => {
    let tries = 0;
    const { ports, locks } = instances({
      acquire: async (call, ask) => {
        const answer = await call(ask);
        tries += 1;
        return tries === 1 && answer.outcome === 'granted' ? { ...answer, fences: { first: 2n, last: 1n } } : answer;
      },
    });
    const acquiring = outcomeOf(locks.acquire('x'));
    await ports.pass(1_000);
    expect(acquiring.value?.fence).toBeTypeOf('bigint');
    if (acquiring.value !== undefined) outcomeOf(acquiring.value.release());
    await ports.pass(0);
  });

  it('whoever releases is not the context in which the next turn begins', async () => {
    const { ports, locks } = instances();
    const tenant = new AsyncLocalStorage<string>();
    const [first, second] = [locks.acquire('x'), locks.acquire('x')];
    const lease = await first;
    const seen: unknown[] = [];
    locks.on('granted', () => seen.push(tenant.getStore()));
    tenant.run('a', () => outcomeOf(lease.release()));
    await ports.pass(10);
    outcomeOf((await second).release());
    await ports.pass(10);
    expect(seen).toEqual([undefined]);
  });
});
