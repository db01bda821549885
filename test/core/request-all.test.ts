import { describe, expect, it } from 'vitest';
import { instances, outcomeOf, ttlMs } from './instances.js';

describe('requestAll', () => {
  it('that could not have them all has given everything back when it rejects', async () => {
    const { ports, locks, other } = instances();
    const holder = await other.acquire('c');
    let free: boolean | undefined;
    const tried = locks
      .requestAll(['a', 'b', 'c'], { waitMs: 200 }, () => {})
      .catch(async ({ code }: { code: string }) => {
        expect(code).toBe('TIMED_OUT');
        free = await locks.request('a', { ifAvailable: true }, (lease) => lease !== null);
      });
    await ports.pass(1_000);
    await tried;
    expect(free).toBe(true);
    outcomeOf(holder.release());
    await ports.pass(0);
  });

  it('that was rejected because of a loss does not call back later', async () => {
    const { ports, locks, other } = instances();
    const holder = await other.acquire('b');
    let called = false;
    const both = outcomeOf(
      locks.requestAll(['a', 'b'], () => {
        called = true;
      }),
    );
    await ports.pass(0);
    await locks.revoke('a', { reason: 'test' });
    await ports.pass(0);
    expect(both.error).toMatchObject({ name: 'AbortError', cause: { loss: 'revoked' } });
    const query = outcomeOf(locks.query());
    await ports.pass(0);
    expect(query.value?.pending.map(({ name }) => name)).toEqual([]);
    outcomeOf(holder.release());
    await ports.pass(1_000);
    expect(called).toBe(false);
  });

  it('does not begin with a lease that ran out while the last name was granted, although no timer has fired yet', async () => {
    let stalls = false;
    const { ports, locks, other } = instances({
      renew: () => new Promise<never>(() => {}),
      acquire: async (call, ask) => {
        const answer = await call(ask);
        if (stalls) ports.stall(150);
        return answer;
      },
    });
    const holder = await other.acquire('b');
    let called = false;
    const both = outcomeOf(
      locks.requestAll(['a', 'b'], () => {
        called = true;
      }),
    );
    await ports.pass(ttlMs - 100);
    stalls = true;
    outcomeOf(holder.release());
    await ports.pass(0);
    expect(called).toBe(false);
    expect(both.error).toMatchObject({ name: 'AbortError', cause: { loss: 'expired' } });
  });

  it('rejects with the error of the work when everything has been given back', async () => {
    const { ports, locks, records } = instances();
    const left: number[] = [];
    const both = locks.requestAll(['a', 'b'], () => {
      throw new Error('mine');
    });
    outcomeOf(both.catch(() => left.push(records().length)));
    await ports.pass(0);
    await expect(both).rejects.toThrow('mine');
    expect(left).toEqual([0]);
  });

  it('gives back what it has taken if a later name is not to be had', async () => {
    const { ports, locks, other, records } = instances();
    const holder = await other.acquire('b');
    const both = outcomeOf(locks.requestAll(['a', 'b'], { waitMs: 500 }, () => 'never'));
    await ports.pass(600);
    expect(both.error).toMatchObject({ code: 'TIMED_OUT' });
    expect(records().map(({ name }) => name)).toEqual(['b']);
    outcomeOf(holder.release());
  });
});
