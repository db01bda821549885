import { describe, expect, it } from 'vitest';
import type { Faults } from '../../src/testkit/conformance/wrappers.js';
import { instances, outcomeOf, ttlMs } from './instances.js';
import { settled } from './ports.js';

describe('listeners', () => {
  it('that reject are reported, and harm nothing', async () => {
    const { ports, locks } = instances();
    const rejects: () => unknown = async () => {
      await Promise.resolve();
      throw new Error('later');
    };
    locks.on('granted', rejects);
    const request = outcomeOf(locks.request('a', () => 'done'));
    await ports.pass(0);
    await settled();
    expect(request.value).toBe('done');
    expect(ports.warnings).toEqual([expect.stringContaining('listener')]);
  });

  it('that are added by a listener hear the next event, not this one', async () => {
    const { ports, locks } = instances();
    let calls = 0;
    const listen = () => {
      calls += 1;
      if (calls < 100) locks.on('granted', listen);
    };
    locks.on('granted', listen);
    outcomeOf(locks.request('a', () => {}));
    await ports.pass(0);
    expect(calls).toBe(1);
  });
});

/** `granted`, `released` and `lost` of every fence, in the order in which they came. */
function recorded(faults: Faults = {}) {
  const scene = instances(faults);
  const seen: string[] = [];
  const ends = new Map<bigint | undefined, string[]>();
  const add = (fence: bigint | undefined, what: string) => {
    seen.push(`${what} ${fence}`);
    ends.set(fence, [...(ends.get(fence) ?? []), what]);
  };
  scene.locks.on('granted', ({ fence }) => add(fence, 'granted'));
  scene.locks.on('released', ({ fence, outcome, handedOn }) => add(fence, handedOn ? 'handed on' : outcome));
  scene.locks.on('lost', ({ fence, loss }) => add(fence, loss));
  return { ...scene, seen, ends };
}

describe('every granted is followed by one released or lost', () => {
  it('in a batch, in order', async () => {
    const { ports, locks, seen } = recorded();
    for (let i = 0; i < 3; i++) outcomeOf(locks.request('a', () => {}));
    await ports.pass(10);
    // The first ask left before the others were there; they share the second grant.
    expect(seen).toEqual(['granted 1', 'released 1', 'granted 2', 'handed on 2', 'granted 3', 'released 3']);
  });

  it('in a shared batch', async () => {
    const { ports, locks, ends } = recorded();
    for (let i = 0; i < 5; i++) outcomeOf(locks.request('a', { mode: 'shared' }, () => Promise.resolve()));
    await ports.pass(10);
    expect([...ends.values()].map((each) => each.length)).toEqual([2, 2, 2, 2, 2]);
    expect([...ends.values()].filter((each) => each[1] === 'handed on')).toHaveLength(3);
  });

  it.each(['expired', 'overdue', 'revoked', 'stolen', 'forgotten'])('also if it is lost: %s', async (loss) => {
    const dead = () => Promise.reject(new Error('dead'));
    const { ports, locks, store, ends } = recorded(loss === 'expired' ? { renew: dead } : {});
    let end = () => {};
    const options = loss === 'overdue' ? { maxHoldMs: 100 } : {};
    outcomeOf(locks.request('a', options, () => new Promise<void>((resolve) => (end = resolve))));
    await ports.pass(10);
    if (loss === 'revoked') await locks.revoke('a', { reason: 'test' });
    if (loss === 'stolen') outcomeOf(locks.request('a', { steal: true }, () => {}));
    if (loss === 'forgotten') store.forgetEverything();
    await ports.pass(ttlMs);
    end();
    await ports.pass(ttlMs);
    expect(ends.get(1n)?.slice(0, 2)).toEqual(['granted', loss]);
    for (const [fence, each] of ends) if (loss !== 'forgotten' || fence !== 1n) expect(each).toHaveLength(2);
  });

  it('also if the store does not answer the release', async () => {
    const { ports, locks, ends } = recorded({ release: () => Promise.reject(new Error('dead')) });
    outcomeOf(locks.request('a', () => {}));
    await ports.pass(100);
    expect(ends.get(1n)).toEqual(['granted', 'unknown']);
  });

  it('whose outcome is what the store found, though the lease was believed valid', async () => {
    const { ports, locks, store, ends } = recorded();
    const lease = await locks.acquire('a');
    store.forgetEverything();
    const outcome = outcomeOf(lease.release());
    await ports.pass(0);
    expect(outcome.value).toBe('absent');
    expect(ends.get(1n)).toEqual(['granted', 'absent']);
  });
});
