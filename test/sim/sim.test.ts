import { describe, expect, it } from 'vitest';
import { formatEvent } from '../../src/testkit/check/history.js';
import { generate } from '../../src/testkit/sim/generate.js';
import { hash } from '../../src/testkit/sim/rng.js';
import { digest, run } from '../../src/testkit/sim/run.js';
import { noMessageFaults, type Op, type Scenario } from '../../src/testkit/sim/scenario.js';
import { shrink } from '../../src/testkit/sim/shrink.js';

const seeds = Array.from({ length: 60 }, (_, i) => 90_001 + i);

describe('the simulator', () => {
  it('finds nothing wrong in a few dozen worlds', async () => {
    for (const seed of seeds) {
      const { violations } = await run(generate(seed));
      expect(violations, `replay with: npm run sim -- --seed ${seed} --trace`).toEqual([]);
    }
  });

  it('plays every kind of world', () => {
    const kinds = new Set(seeds.map((seed) => generate(seed).kind));
    expect([...kinds].sort()).toEqual(['calm', 'clocks', 'fading', 'flaky', 'processes', 'storm', 'store'].sort());
  });

  it('plays the same seed in the same way', async () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const first = await run(generate(seed));
      const second = await run(generate(seed));
      expect(second.history.events.map(formatEvent)).toEqual(first.history.events.map(formatEvent));
      expect(digest(second.history)).toBe(digest(first.history));
    }
  });

  it('plays different seeds differently', async () => {
    const digests = new Set<string>();
    for (const seed of [1, 2, 3]) digests.add(digest((await run(generate(seed))).history));
    expect(digests.size).toBe(3);
  });

  it('decides by place, so that leaving one thing out does not shift the others', () => {
    expect(hash(7, 'lost', 'p1', 3)).toBe(hash(7, 'lost', 'p1', 3));
    const others = [hash(8, 'lost', 'p1', 3), hash(7, 'slow', 'p1', 3), hash(7, 'lost', 'p2', 3), hash(7, 'lost', 'p1', 4)];
    expect(others).not.toContain(hash(7, 'lost', 'p1', 3));
  });

  it('spreads its decisions evenly', () => {
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let nth = 0; nth < 10_000; nth++) {
      const bucket = Math.floor((hash(1, 'even', 'p0', nth) / 2 ** 32) * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});

function op(id: string, more: Partial<Op> = {}): Op {
  return {
    id,
    kind: 'request',
    thinkMs: 0,
    name: 'a',
    mode: 'exclusive',
    ttlMs: 1_000,
    ifAvailable: false,
    steal: false,
    waitMs: undefined,
    abortAfterMs: undefined,
    maxHoldMs: undefined,
    workMs: 10,
    touchEveryMs: 5,
    heedlessMs: 0,
    throws: false,
    ...more,
  };
}

function world(more: Partial<Scenario>, ...callers: readonly (readonly Op[])[]): Scenario {
  return {
    seed: 1,
    kind: 'storm',
    store: { rate: 1, wallMs: 1e12, queue: true, push: true, pollMs: 1_000, fencesPerGrant: 64, latencyMs: 2 },
    processes: callers.map((ops, i) => ({
      name: `p${i}`,
      rate: 1,
      wallMs: 1e12,
      upMs: 1e6,
      callTimeoutMs: 300,
      closesAtMs: undefined,
      callers: [ops],
    })),
    faults: [],
    messages: noMessageFaults,
    endMs: 6_000,
    ...more,
  };
}

describe('a world made by hand', () => {
  it('tells a process that slept through its TTL of its loss at the first touch', async () => {
    const scenario = world(
      { faults: [{ kind: 'suspend', process: 'p0', atMs: 100, forMs: 5_000 }] },
      [op('long', { workMs: 600, touchEveryMs: 50 })],
      [op('next', { thinkMs: 50 })],
    );
    const { history, violations } = await run(scenario);
    expect(violations).toEqual([]);
    const touched = history.events.filter((event) => event.type === 'touched' && event.op === 'long' && event.atMs > 5_000);
    expect(touched[0]).toMatchObject({ held: false, aborted: true });
    expect(history.events.find((event) => event.type === 'settled' && event.op === 'next')).toMatchObject({
      how: { outcome: 'value', value: 'next' },
    });
  });

  it('hands the lock of a crashed process on when its TTL is over', async () => {
    const scenario = world(
      { faults: [{ kind: 'crash', process: 'p0', atMs: 100, restartAfterMs: undefined }] },
      [op('dies', { workMs: 5_000, touchEveryMs: 50 })],
      [op('next', { thinkMs: 50 })],
    );
    const { history, violations } = await run(scenario);
    expect(violations).toEqual([]);
    const started = history.events.find((event) => event.type === 'started' && event.op === 'next');
    expect(started?.atMs).toBeGreaterThan(1_000);
    expect(started?.atMs).toBeLessThan(1_300);
  });

  it('keeps fences in order through a store that loses its data', async () => {
    const scenario = world(
      { faults: [{ kind: 'forget', atMs: 200, forMs: 20 }] },
      [op('before', { workMs: 1_500, touchEveryMs: 50 })],
      [op('after', { thinkMs: 400 })],
    );
    const { history, violations } = await run(scenario);
    expect(violations).toEqual([]);
    const lost = history.events.find((event) => event.type === 'signalled' && event.op === 'before');
    expect(lost).toMatchObject({ loss: 'forgotten' });
  });
});

describe('shrinking', () => {
  it('leaves only what the violation needs', async () => {
    // A world in which the wall clock that fences rest on is stepped back across a loss of data: no store can keep order then.
    const scenario = world(
      {
        faults: [
          { kind: 'pause', process: 'p1', atMs: 20, forMs: 30 },
          { kind: 'store-step-wall', atMs: 300, byMs: -60_000 },
          { kind: 'forget', atMs: 400, forMs: 10 },
          { kind: 'spurious-wake', atMs: 500, name: 'a' },
        ],
      },
      [op('one'), op('two', { thinkMs: 30 }), op('three', { thinkMs: 600 })],
      [op('four', { thinkMs: 20 }), op('five', { thinkMs: 700 })],
    );
    const { violations } = await run(scenario);
    expect(violations.map(({ rule }) => rule)).toContain('fence-order');
    const { scenario: small } = await shrink(scenario, 'fence-order');
    expect(small.faults.map(({ kind }) => kind)).toEqual(['store-step-wall', 'forget']);
    expect(small.processes.flatMap(({ callers }) => callers.flat())).toHaveLength(2);
    expect((await run(small)).violations.map(({ rule }) => rule)).toContain('fence-order');
  });
});
