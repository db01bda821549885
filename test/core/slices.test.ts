import { describe, expect, it } from 'vitest';
import type { Ask } from '../../src/core/backend.js';
import type { Holdfast } from '../../src/core/holdfast.js';
import { limits } from '../../src/core/limits.js';
import { instances, outcomeOf, work } from './instances.js';

function setUp() {
  const asks: Ask[] = [];
  const scene = instances({
    acquire: (call, ask) => {
      asks.push(ask);
      return call(ask);
    },
  });
  const owners = () => new Set(asks.map(({ owner }) => owner)).size;
  return { ...scene, asks, owners };
}

/** One turn after the other. */
async function loop(locks: Holdfast, turns: number, turn: () => unknown): Promise<bigint[]> {
  const fences: bigint[] = [];
  for (let i = 0; i < turns; i++) {
    await locks.request('a', (lease) => {
      fences.push(lease.fence);
      return turn();
    });
  }
  return fences;
}

describe('a grant', () => {
  it('serves callers that come while it runs, with rising fences, and asks for more fences each time', async () => {
    const { ports, locks, asks, owners } = setUp();
    const fences: bigint[] = [];
    const loops = Array.from({ length: 8 }, () => loop(locks, 100, () => {}).then((all) => fences.push(...all)));
    await ports.pass(100);
    await Promise.all(loops);
    expect(new Set(fences).size).toBe(800);
    expect(owners()).toBeLessThan(12);
    expect([...new Set(asks.map((ask) => ask.fences))].slice(0, 5)).toEqual([1, 7, 8, 16, 32]);
    expect(Math.max(...asks.map((ask) => ask.fences))).toBeLessThanOrEqual(limits.fencesPerGrantMax);
  });

  it('goes on no longer than a slice, and then another process has its turn', async () => {
    const { ports, locks, other } = setUp();
    const workFor1ms = () => new Promise<void>((resolve) => void ports.timer(1, resolve));
    const loops = Array.from({ length: 3 }, () => loop(locks, 200, workFor1ms));
    await ports.pass(100);
    const since = ports.now().monotonicMs;
    let waitedMs = Number.POSITIVE_INFINITY;
    const theirs = other.request('a', () => {
      waitedMs = ports.now().monotonicMs - since;
    });
    await ports.pass(1_000);
    await theirs;
    expect(waitedMs).toBeLessThanOrEqual(limits.sliceMs + 1);
    await Promise.all(loops);
  });

  it('with long work lets nobody lose a place: whoever came is asked for when the slice is over', async () => {
    const { ports, locks, asks, other } = setUp();
    const long = work();
    const first = locks.request('a', long.callback);
    await ports.pass(0);
    const order: string[] = [];
    const second = locks.request('a', () => void order.push('second'));
    await ports.pass(limits.sliceMs + 1);
    expect(long.running).toBe(true);
    expect(asks.length).toBeGreaterThan(1);
    const theirs = other.request('a', () => void order.push('other'));
    await ports.pass(1);
    long.end();
    await ports.pass(100);
    await Promise.all([first, second, theirs]);
    expect(order).toEqual(['second', 'other']);
  });

  it('without a fence to spare keeps nobody from being asked for at once', async () => {
    const { ports, locks, asks, other } = setUp();
    const long = work();
    const first = locks.request('a', long.callback);
    await ports.pass(0);
    expect(asks[0]?.fences).toBe(1);
    const order: string[] = [];
    const second = locks.request('a', () => void order.push('second'));
    await ports.pass(1);
    const theirs = other.request('a', () => void order.push('other'));
    await ports.pass(1);
    long.end();
    await ports.pass(100);
    await Promise.all([first, second, theirs]);
    expect(order).toEqual(['second', 'other']);
  });

  it('that is lost serves no latecomer', async () => {
    const { ports, locks, other, owners } = setUp();
    const long = work();
    const first = outcomeOf(locks.request('a', long.callback));
    await ports.pass(0);
    const second = locks.request('a', () => 'second');
    await other.revoke('a', { reason: 'test' });
    await ports.pass(3_000);
    expect(first.error).toMatchObject({ name: 'AbortError' });
    expect(await second).toBe('second');
    expect(owners()).toBe(2);
    long.end();
  });

  it('does not wait for a caller that has left', async () => {
    const { ports, locks } = setUp();
    const long = work();
    const first = locks.request('a', long.callback);
    await ports.pass(0);
    const leaving = new AbortController();
    const second = outcomeOf(locks.request('a', { signal: leaving.signal }, () => 'second'));
    const third = locks.request('a', () => 'third');
    leaving.abort();
    long.end();
    await ports.pass(10);
    expect(second.error).toMatchObject({ name: 'AbortError' });
    expect(await third).toBe('third');
    await first;
  });
});
