import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/backends/memory/index.js';
import type { Ask } from '../../src/core/backend.js';
import { limits } from '../../src/core/limits.js';
import type { Faults } from '../../src/testkit/conformance/wrappers.js';
import { instances, outcomeOf } from './instances.js';

const dayMs = 86_400_000;

/** A store that dies when it is told to. */
function mortal(options: Parameters<typeof instances>[1] = {}) {
  const calls = { release: 0, abandon: 0 };
  let dead = false;
  const dies = () => {
    if (dead) throw new Error('dead');
  };
  const faults: Faults = {
    acquire: async (call, ask) => {
      dies();
      return call(ask);
    },
    release: async (call, held) => {
      calls.release += 1;
      dies();
      return call(held);
    },
    abandon: async (call, ask) => {
      calls.abandon += 1;
      dies();
      return call(ask);
    },
  };
  const scene = instances(faults, options);
  return { ...scene, calls, die: () => (dead = true), revive: () => (dead = false) };
}

describe('what is given back in the background', () => {
  it('is tried again until the TTL is over, while the instance is open', async () => {
    const { ports, locks, calls, die, revive, records } = mortal({ ttlMs: 60_000 });
    outcomeOf(locks.request('a', die));
    await ports.pass(50_000);
    expect(calls.release).toBeGreaterThan(5);
    revive();
    await ports.pass(6_100);
    expect(records()).toEqual([]);
    const before = calls.release;
    await ports.pass(60_000);
    expect(calls.release).toBe(before);
  });

  it('is tried less and less often if it matters for long, and lets the process end', async () => {
    const { ports, locks, calls, die } = mortal({ ttlMs: dayMs });
    outcomeOf(locks.request('a', die));
    await ports.pass(limits.backgroundAliveMs / 2);
    expect(ports.pending).toBe(1);
    await ports.pass(3 * limits.backgroundAliveMs);
    expect(ports.pending).toBe(0);
    calls.release = 0;
    await ports.pass(3_600_000);
    expect(calls.release).toBeGreaterThan(100);
    expect(calls.release).toBeLessThan(250);
  });

  it('is not tried for longer than a place lasts if only a place can be left', async () => {
    const { ports, locks, other, calls, die } = mortal({ ttlMs: dayMs });
    await other.acquire('a');
    const controller = new AbortController();
    outcomeOf(locks.request('a', { signal: controller.signal }, () => {}));
    await ports.pass(0);
    die();
    controller.abort();
    await ports.pass(limits.placeMs + limits.backoffMsMax);
    expect(calls.abandon).toBeGreaterThan(1);
    calls.abandon = 0;
    await ports.pass(60_000);
    expect(calls.abandon).toBe(0);
    expect(ports.warnings).toEqual([expect.stringContaining('could not be withdrawn')]);
  });

  it('is bounded: the oldest are dropped, with one warning', async () => {
    const { ports, locks, calls, die } = mortal({ ttlMs: dayMs });
    die();
    const more = limits.backgroundMax + 200;
    for (let i = 0; i < more; i++) outcomeOf(locks.request(`n${i}`, { waitMs: 5 }, () => {}));
    await ports.pass(10_000);
    expect(ports.warnings).toEqual([expect.stringContaining('the oldest are dropped')]);
    calls.abandon = 0;
    await ports.pass(limits.backgroundPauseMsMax);
    expect(calls.abandon).toBeLessThanOrEqual(4 * limits.backgroundMax);
  });

  it('holds close() up for unavailableMs at most, and ends with it', async () => {
    const { ports, locks, calls, die } = mortal({ ttlMs: 20_000, unavailableMs: 200, callTimeoutMs: 100 });
    outcomeOf(locks.request('a', { waitMs: 5 }, die));
    outcomeOf(locks.request('b', { waitMs: 5 }, die));
    await ports.pass(0);
    outcomeOf(locks.request('c', { waitMs: 5 }, die));
    await ports.pass(20);
    const closed = outcomeOf(locks.close());
    await ports.pass(150);
    expect(closed.settled).toBe(false);
    await ports.pass(100);
    expect(closed).toMatchObject({ settled: true, error: undefined });
    expect(ports.pending).toBe(0);
    expect(ports.warnings).toEqual([expect.stringContaining('2 releases'), expect.stringContaining('a withdrawal')]);
    calls.release = 0;
    await ports.pass(60_000);
    expect(calls.release).toBe(0);
  });

  it('does not hold close() up when it is done', async () => {
    const { ports, locks, die, revive } = mortal({ unavailableMs: 5_000 });
    outcomeOf(locks.request('a', die));
    await ports.pass(0);
    const closed = outcomeOf(locks.close());
    await ports.pass(0);
    expect(closed.settled).toBe(false);
    revive();
    await ports.pass(100);
    expect(closed.settled).toBe(true);
    expect(ports.warnings).toEqual([]);
  });
});

describe('a script that ends after its store died', () => {
  it('with close() leaves nothing that keeps it alive', async () => {
    const script = `
      import { Holdfast } from 'holdfast';
      import { memory } from 'holdfast/memory';
      const store = memory();
      const locks = new Holdfast(store, { ttlMs: 86_400_000, unavailableMs: 100, callTimeoutMs: 50 });
      await locks.request('x', () => { store.release = store.abandon = () => Promise.reject(new Error('dead')); });
      await locks.close();
      console.log('closed');`;
    const child = await promisify(execFile)(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      timeout: 10_000,
    });
    expect(child.stdout).toBe('closed\n');
  });
});

describe('the owners that the memory store refuses', () => {
  it('are forgotten after their time, also one that was ended twice', () => {
    let nowMs = 0;
    const store = new MemoryStore({ nowMs: () => nowMs, wallUs: () => 0n });
    const name = { text: 'a', encoded: 'a' };
    const node = { host: '', pid: 1, bootId: '', startedAt: '', nonce: '' };
    const ask = (owner: string): Ask => ({
      name,
      owner,
      mode: 'exclusive',
      ttlMs: 1_000,
      fences: 1,
      enqueue: false,
      node,
      metadata: {},
    });
    store.abandon(ask('twice'));
    nowMs = 1;
    store.abandon(ask('once'));
    nowMs = limits.tombstoneMs / 2;
    store.abandon(ask('twice'));
    nowMs = limits.tombstoneMs + 2;
    store.abandon(ask('sweeps'));
    expect(store.acquire(ask('twice'))).toMatchObject({ because: 'abandoned' });
    expect(store.endedOwners).toBe(2);
  });
});
