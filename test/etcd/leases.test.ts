import { describe, expect, it } from 'vitest';
import { Lease } from '../../src/backends/etcd/leases.js';
import { limits } from '../../src/core/limits.js';

const at = (ms: number) => ({ monotonicMs: ms, uptimeMs: ms, wallMs: ms });
const header = (raftTerm: number) => ({ clusterId: '1', memberId: '1', revision: 1, raftTerm });

describe('the time of a lease', () => {
  it('counts from before it was asked for, and for a clock that is slow', () => {
    const lease = new Lease(1, 10_000, at(1_000));
    expect(lease.leftMs(at(1_000))).toBe(10_000);
    expect(lease.leftMs(at(6_000))).toBe(10_000 - 5_000 / (1 - limits.driftRatio));
    // The machine slept: only one of its clocks has noticed.
    expect(lease.leftMs({ monotonicMs: 1_000, uptimeMs: 1_000, wallMs: 12_000 })).toBeLessThan(0);
  });

  it('is unknown of a lease that another client has taken', () => {
    expect(new Lease(1, 10_000).leftMs(at(0))).toBe(0);
  });

  it('is renewed when a majority has answered later, in the same term', () => {
    const lease = new Lease(1, 10_000, at(0));
    lease.claimed({ ttlMs: 10_000, term: 7 }, at(5_000), at(5_010));
    expect(lease.isProvenSince(at(5_000))).toBe(false);
    // Asked before the renewal was answered: which was first, nobody knows.
    lease.decided(header(7), at(5_005));
    expect(lease.isProvenSince(at(5_000))).toBe(false);
    // Another leader meanwhile: the one that renewed may have been none any more.
    lease.decided(header(8), at(5_020));
    expect(lease.isProvenSince(at(5_000))).toBe(false);
    lease.decided(header(7), at(5_010));
    expect(lease.isProvenSince(at(5_000))).toBe(true);
    expect(lease.leftMs(at(5_000))).toBe(10_000);
  });

  it('is not renewed by a member that does not have it', () => {
    const lease = new Lease(1, 10_000, at(0));
    lease.claimed({ ttlMs: 0, term: 7 }, at(5_000), at(5_010));
    lease.decided(header(7), at(5_020));
    expect(lease.isProvenSince(at(1))).toBe(false);
  });
});
