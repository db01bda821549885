import { describe, expect, it, vi } from 'vitest';
import { createInstantReader, elapsedMs, systemPorts } from '../../src/core/clock.js';

describe('the three clocks', () => {
  it('the largest delta counts', () => {
    const since = { monotonicMs: 0, uptimeMs: 0, wallMs: 0 };
    expect(elapsedMs(since, { monotonicMs: 5, uptimeMs: 3, wallMs: -100 })).toBe(5);
    expect(elapsedMs(since, { monotonicMs: 5, uptimeMs: 9, wallMs: 1 })).toBe(9);
    expect(elapsedMs(since, { monotonicMs: 5, uptimeMs: 9, wallMs: 77 })).toBe(77);
  });

  it('a step of the wall clock makes the reader look at the uptime again', () => {
    const now = createInstantReader();
    const before = now();
    const real = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => real() + 3_600_000);
    const after = now();
    vi.restoreAllMocks();
    expect(elapsedMs(before, after)).toBeGreaterThanOrEqual(3_600_000);
    expect(after.uptimeMs).toBeGreaterThanOrEqual(before.uptimeMs);
    expect(after.uptimeMs - before.uptimeMs).toBeLessThan(1_000);
  });

  it('owners have 128 bits and do not repeat', () => {
    const { randomOwner } = systemPorts();
    const owners = new Set(Array.from({ length: 2_000 }, randomOwner));
    expect(owners.size).toBe(2_000);
    for (const owner of owners) expect(owner).toMatch(/^[\w-]{22}$/);
  });
});
