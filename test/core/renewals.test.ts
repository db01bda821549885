import { describe, expect, it } from 'vitest';
import type { Renewal } from '../../src/core/backend.js';
import { instances, outcomeOf, ttlMs } from './instances.js';

describe('renewals', () => {
  it('that fail together stay together, and so do the first ones after the outage', async () => {
    let down = false;
    const batches: number[] = [];
    const { ports, locks } = instances({
      renew: async (call, holds) => {
        batches.push(holds.length);
        if (down) throw new Error('down');
        return call(holds);
      },
    });
    const count = 300;
    for (let i = 0; i < count; i++) {
      outcomeOf(locks.acquire(`n${i}`));
      await ports.pass(1);
    }
    await ports.pass(ttlMs);
    down = true;
    batches.length = 0;
    await ports.pass(ttlMs * 0.6);
    expect(batches.length).toBeLessThan(50);
    down = false;
    batches.length = 0;
    await ports.pass(ttlMs / 2);
    expect(batches.reduce((sum, size) => sum + size, 0)).toBeGreaterThanOrEqual(count);
    expect(batches.length).toBeLessThan(25);
  });

  it('of many different TTLs go out together', async () => {
    let calls = 0;
    const { ports, locks } = instances({
      renew: (call, holds) => {
        calls += 1;
        return call(holds);
      },
    });
    for (let i = 0; i < 500; i++) outcomeOf(locks.acquire(`n${i}`, { ttlMs: 6_000 + i * 3.7 }));
    await ports.pass(6_000);
    expect(calls).toBeGreaterThan(2);
    expect(calls).toBeLessThan(60);
    const query = outcomeOf(locks.query());
    await ports.pass(0);
    expect(query.value?.held).toHaveLength(500);
  });

  it.each([
    ['nothing', undefined],
    ['too few', []],
    ['null', [null]],
    ['an unknown word', [{ outcome: '?' }]],
    ['a TTL that is none', [{ outcome: 'renewed', ttlMs: Number.NaN }]],
  ])('answered with %s are asked again', async (_, answer) => {
    let calls = 0;
    const { ports, locks } = instances({
      renew: async (call, holds) => {
        calls += 1;
        return calls === 1 ? (answer as unknown as Renewal[]) : call(holds);
      },
    });
    const lease = await locks.acquire('a');
    await ports.pass(ttlMs * 3);
    lease.assertHeld();
    expect(calls).toBeGreaterThan(2);
  });

  it.each(['renewal', 'grant'])('a %s for less than was asked for brings the deadline forward', async (where) => {
    const short = 300;
    let toldAtMs = Number.NaN;
    const { ports, locks } = instances({
      acquire: async (call, ask) => {
        const answer = await call(ask);
        if (where === 'renewal' || answer.outcome === 'refused') return answer;
        toldAtMs = ports.now().monotonicMs;
        return { ...answer, ttlMs: short };
      },
      renew: () => {
        if (where === 'grant' || !Number.isNaN(toldAtMs)) return new Promise<never>(() => {});
        toldAtMs = ports.now().monotonicMs;
        return Promise.resolve([{ outcome: 'renewed', ttlMs: short }]);
      },
    });
    let lostAtMs = Number.NaN;
    locks.on('lost', () => {
      lostAtMs = ports.now().monotonicMs;
    });
    await locks.acquire('a');
    await ports.pass(ttlMs * 2);
    expect(lostAtMs - toldAtMs).toBeLessThanOrEqual(short * 0.99);
    expect(lostAtMs - toldAtMs).toBeGreaterThan(short * 0.8);
  });

  it('goes on in the rhythm of the shorter TTL', async () => {
    let calls = 0;
    const { ports, locks } = instances({
      renew: async (_, holds) => {
        calls += 1;
        return holds.map(() => ({ outcome: 'renewed', ttlMs: 300 }) as const);
      },
    });
    const lease = await locks.acquire('a');
    await ports.pass(ttlMs * 2);
    lease.assertHeld();
    expect(calls).toBeGreaterThan(40);
  });
});

describe('a lease that somebody ended', () => {
  it('says why, if the store tells', async () => {
    const { ports, locks, other } = instances();
    const lease = await locks.acquire('a');
    const events: unknown[] = [];
    locks.on('lost', ({ loss, reason }) => events.push({ loss, reason }));
    outcomeOf(other.revoke('a', { reason: 'deploy of the new schema' }));
    await ports.pass(ttlMs);
    expect(events).toEqual([{ loss: 'revoked', reason: 'deploy of the new schema' }]);
    expect(lease.signal.reason).toMatchObject({ loss: 'revoked', reason: 'deploy of the new schema' });
    expect(String(lease.signal.reason)).toContain('deploy of the new schema');
  });

  it('says why, also if this instance did it', async () => {
    const { ports, locks } = instances();
    const revoked = await locks.acquire('a');
    const stolen = await locks.acquire('b');
    outcomeOf(locks.revoke('a', { reason: 'by hand' }));
    outcomeOf(locks.request('b', { steal: true }, () => {}));
    await ports.pass(0);
    expect(revoked.signal.reason).toMatchObject({ loss: 'revoked', reason: 'by hand' });
    expect(stolen.signal.reason).toMatchObject({ loss: 'stolen', reason: 'stolen by here/1' });
  });
});
