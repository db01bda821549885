import { describe, expect, it, vi } from 'vitest';
import { MemoryStore, memory } from '../../src/backends/memory/index.js';
import type { Backend } from '../../src/core/backend.js';
import { LeaseLostError } from '../../src/core/errors.js';
import { mintFences } from '../../src/core/fence.js';
import { deadlineFor, startHold, transition } from '../../src/core/hold.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import { limits } from '../../src/core/limits.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { ManualPorts, settled } from './ports.js';

/** The eleven invariants on a clock that is moved by hand: one small, fast witness each. */

const ttlMs = 3_000;
const never = () => new Promise<never>(() => {});

/** A backend of which some methods are replaced. */
function changed(backend: Backend, methods: Partial<Backend>): Backend {
  return new Proxy(backend, {
    get(target, key) {
      const replaced = methods[key as keyof Backend];
      if (replaced !== undefined) return replaced;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function setUp(methods: Partial<Backend> = {}, options: HoldfastOptions = {}) {
  const ports = new ManualPorts();
  const store = new MemoryStore({ nowMs: () => ports.now().monotonicMs, wallUs: () => 0n });
  const backend = changed(memory({ store }), methods);
  const locks = new Holdfast(backend, { ttlMs, ...options }, ports);
  return { ports, store, backend, locks };
}

/** Work that goes on until it is told to end. */
async function hold(locks: Holdfast, ports: ManualPorts, name = 'a') {
  let end: (error?: Error) => void = () => {};
  let lease: Lease | undefined;
  const result = locks.request(name, (given) => {
    lease = given;
    return new Promise<string>((resolve, reject) => {
      end = (error) => (error === undefined ? resolve('done') : reject(error));
    });
  });
  result.catch(() => {});
  await ports.pass(0);
  if (lease === undefined) throw new Error('not granted');
  return { lease, result, end };
}

function lossOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof LeaseLostError) return error.loss;
    throw error;
  }
  return 'none';
}

describe('invariant 1: the deadline is local and early', () => {
  it('is earlier than the store’s, by drift and margin', () => {
    const { now } = new ManualPorts();
    expect(deadlineFor(now(), ttlMs).lengthMs).toBe(ttlMs * (1 - limits.driftRatio) - limits.marginMs);
  });

  it('counts from before the request was sent', async () => {
    const ports = new ManualPorts();
    const slow = memory();
    const backend = changed(slow, {
      acquire: async (ask) => {
        ports.stall(1_000);
        return slow.acquire(ask);
      },
    });
    const { lease } = await hold(new Holdfast(backend, { ttlMs }, ports), ports);
    expect(lease.remainingMs).toBeLessThanOrEqual(ttlMs - 1_000);
  });

  it('a step of the wall clock back changes nothing, one forward ends it early', async () => {
    const { ports, locks } = setUp();
    const { lease } = await hold(locks, ports);
    const before = lease.remainingMs;
    ports.stepWallClock(-3_600_000);
    expect(lease.remainingMs).toBe(before);
    ports.stepWallClock(3_600_000 + ttlMs);
    expect(lossOf(() => lease.fence)).toBe('expired');
  });

  it('the machine’s sleep counts, even if the wall clock hides it', async () => {
    const { ports, locks } = setUp();
    const { lease } = await hold(locks, ports);
    ports.suspend(ttlMs);
    ports.stepWallClock(-ttlMs);
    expect(lossOf(() => lease.fence)).toBe('expired');
  });
});

describe('invariant 2: loss is signalled no later than the deadline', () => {
  it('by a timer, while renewals hang', async () => {
    const { ports, locks } = setUp({ renew: never });
    const { lease } = await hold(locks, ports);
    const { signal } = lease;
    await ports.pass(ttlMs - limits.marginMs * 5);
    expect(signal.aborted).toBe(false);
    await ports.pass(limits.marginMs * 5 - 1);
    expect(signal.aborted).toBe(true);
  });

  it.each(['stall', 'suspend'] as const)('by the first touch after a %s', async (what) => {
    const { ports, locks } = setUp();
    const { lease } = await hold(locks, ports);
    ports[what](ttlMs);
    expect(lossOf(() => lease.fence)).toBe('expired');
    expect(lossOf(() => lease.assertHeld())).toBe('expired');
    expect(lease.signal.aborted).toBe(true);
  });
});

describe('invariant 3: a late yes revives nothing', () => {
  it('neither an answer nor a request counts after the deadline', async () => {
    const ports = new ManualPorts();
    const held = startHold(ports.now(), ttlMs);
    ports.stall(1_000);
    const [sent] = transition(held, { type: 'renewal-due', now: ports.now() });
    ports.stall(ttlMs);
    const yes = transition(sent, { type: 'renewal-answered', answer: { outcome: 'renewed', ttlMs }, now: ports.now() });
    expect(yes[0].phase).toBe('lost');
    const due = transition(held, { type: 'renewal-due', now: ports.now() });
    expect(due[1].map((effect) => effect.type)).not.toContain('send-renewal');
  });

  it('unknown is no loss, and is asked again', async () => {
    const renew = vi.fn<Backend['renew']>(async () => {
      throw new Error('connection reset');
    });
    const { ports, locks } = setUp({ renew });
    const { lease } = await hold(locks, ports);
    await ports.pass(ttlMs * 0.6);
    expect(renew.mock.calls.length).toBeGreaterThan(2);
    expect(lossOf(() => lease.fence)).toBe('none');
  });
});

describe('invariant 4: a release tells what it found, and hides nothing', () => {
  it('a release that fails does not hide the error of the work', async () => {
    const { ports, locks } = setUp({ release: () => Promise.reject(new Error('store away')) });
    const { result, end } = await hold(locks, ports);
    end(new Error('the work failed'));
    await ports.pass(ttlMs * 2);
    await expect(result).rejects.toThrow('the work failed');
  });

  it('releasing a lease that was taken away is a result', async () => {
    const { ports, locks, store } = setUp();
    const taken = locks.acquire('a');
    await ports.pass(0);
    const lease = await taken;
    store.forgetEverything();
    const outcome = lease.release();
    await ports.pass(0);
    expect(await outcome).toBe('absent');
  });
});

describe('invariant 5: an ask that is given up leaves nothing', () => {
  it('also if the grant arrives after the abort', async () => {
    let answer: () => void = () => {};
    const inner = memory();
    const { ports, locks } = setUp({
      acquire: async (ask) => {
        const grant = await inner.acquire(ask);
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        return grant;
      },
      abandon: (ask) => inner.abandon(ask),
    });
    const controller = new AbortController();
    const wait = locks.request('a', { signal: controller.signal }, () => 'never');
    await ports.pass(0);
    controller.abort(new Error('given up'));
    await expect(wait).rejects.toThrow('given up');
    answer();
    await ports.pass(0);
    const left = [];
    for await (const record of inner.list('')) left.push(record);
    expect(left).toEqual([]);
  });
});

describe('invariant 6: a fence never repeats and never goes back', () => {
  it('is above the previous one and not below the clock', () => {
    expect(mintFences(10n, 5n, 2)).toEqual({ first: 11n, last: 12n });
    expect(mintFences(10n, 500n, 2)).toEqual({ first: 500n, last: 501n });
  });

  it('each caller of a batch gets a larger one', async () => {
    const { ports, locks } = setUp();
    const fences: bigint[] = [];
    for (let i = 0; i < limits.batchMax + 5; i++) void locks.request('a', (lease) => void fences.push(lease.fence));
    await ports.pass(100);
    expect(fences).toHaveLength(limits.batchMax + 5);
    expect(fences.every((fence, i) => i === 0 || fence > (fences[i - 1] ?? 0n))).toBe(true);
  });
});

describe('invariant 7: nothing is held without a TTL, and bounds hold', () => {
  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, limits.ttlMsMax + 1])('a TTL of %s is refused', async (bad) => {
    const { locks } = setUp();
    await expect(locks.request('a', { ttlMs: bad }, () => 'never')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('a holder that vanished is replaced when its TTL is over', async () => {
    const { ports, locks, store } = setUp({ renew: never, release: never, abandon: never });
    await hold(locks, ports);
    const other = new Holdfast(memory({ store }), { ttlMs }, ports);
    const next = other.request('a', () => 'next');
    await ports.pass(ttlMs + limits.pollMsMax);
    expect(await next).toBe('next');
  });
});

describe('invariant 8: release right after the work, and never before it', () => {
  it('close() renews while the work runs, and ends after it', async () => {
    const { ports, locks, store } = setUp();
    const { lease, result, end } = await hold(locks, ports);
    let closed = false;
    void locks.close().then(() => {
      closed = true;
    });
    await ports.pass(ttlMs * 4);
    expect(lossOf(() => lease.fence)).toBe('none');
    expect(closed).toBe(false);
    end();
    await ports.pass(0);
    expect(await result).toBe('done');
    expect(closed).toBe(true);
    expect([...store.list('')]).toEqual([]);
    expect(ports.pending).toBe(0);
  });

  it('after a loss, nothing is released until the work ends', async () => {
    const release = vi.fn<Backend['release']>(async () => 'released');
    const { ports, locks } = setUp({ release });
    let end: () => void = () => {};
    const result = locks.request('a', { maxHoldMs: 500 }, () => new Promise<void>((resolve) => (end = resolve)));
    result.catch(() => {});
    await ports.pass(600);
    await expect(result).rejects.toMatchObject({ name: 'AbortError', cause: { loss: 'overdue' } });
    expect(release).not.toHaveBeenCalled();
    end();
    await ports.pass(0);
    expect(release).toHaveBeenCalledOnce();
  });
});

describe('invariant 9: first come, first served', () => {
  it('within one process', async () => {
    const { ports, locks } = setUp();
    const order: number[] = [];
    for (let i = 0; i < 200; i++) void locks.request('a', () => void order.push(i));
    await ports.pass(100);
    expect(order).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it('a lost wake-up costs one poll', async () => {
    const { ports, store } = setUp();
    const deaf = { watch: () => () => {} };
    const one = new Holdfast(changed(memory({ store }), deaf), { ttlMs }, ports);
    const two = new Holdfast(changed(memory({ store }), deaf), { ttlMs }, ports);
    const { end } = await hold(one, ports);
    const next = two.request('a', () => 'next');
    await ports.pass(100);
    end();
    await ports.pass(limits.pollMsMax);
    expect(await next).toBe('next');
  });
});

describe('invariant 10: watching never breaks a lock', () => {
  it('a listener that throws is reported, and the others hear', async () => {
    const { ports, locks } = setUp();
    const heard: string[] = [];
    locks.on('granted', () => {
      throw new Error('bad listener');
    });
    locks.on('granted', (event) => void heard.push(event.name));
    const done = locks.request('a', () => 'done');
    await ports.pass(0);
    expect(await done).toBe('done');
    expect(heard).toEqual(['a']);
    expect(ports.warnings).toHaveLength(1);
  });
});

describe('invariant 11: nothing waits for ever unasked', () => {
  it('a store that never answers fails the request', async () => {
    const { ports, locks } = setUp({ acquire: never, abandon: never }, { unavailableMs: 5_000 });
    const wait = locks.request('a', () => 'never');
    const failed = expect(wait).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await ports.pass(20_000);
    await failed;
  });

  it.each(['read', 'list', 'revoke', 'close'] as const)('%s has a deadline of its own', async (method) => {
    const hanging = {
      read: never,
      list: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }),
      revoke: never,
      close: never,
    };
    const { ports, locks } = setUp({ [method]: hanging[method] });
    const call = {
      read: () => locks.inspect('a'),
      list: () => locks.query(),
      revoke: () => locks.revoke('a', { reason: 'test' }),
      close: () => locks.close(),
    }[method];
    const failed = expect(call()).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await ports.pass(limits.callTimeoutMsDefault + 1);
    await failed;
    await settled();
  });
});
