import { describe, expect, it } from 'vitest';
import type { IdempotencyRecord } from '../../src/idempotency/record.js';
import { Explorer, type Rules, rules, startOf } from './explorer.js';

const worlds = {
  'two workers': startOf({ requests: [1, 2], reconciles: false, faults: 1 }),
  'two workers and a reconciler': startOf({ requests: [1, 1], reconciles: true, faults: 1 }),
};

/** The first promise that is broken in any world, small ones first. */
function brokenBy(change: Partial<Rules>): string | undefined {
  const small = [true, false].map((reconciles) => startOf({ requests: [1, 1], reconciles, faults: 0 }));
  for (const start of [...small, ...Object.values(worlds)]) {
    const { broken } = new Explorer({ ...rules, ...change }, true).explore(start);
    if (broken !== undefined) return broken;
  }
  return undefined;
}

describe('every order of events in a small world', { timeout: 120_000 }, () => {
  for (const [name, start] of Object.entries(worlds)) {
    it(`${name}: no effect twice, nothing decided is written over, no evidence lost`, () => {
      const { broken, states, seen } = new Explorer(rules, true).explore(start);
      expect(broken).toBeUndefined();
      expect(states).toBeGreaterThan(1_000);
      for (const state of ['PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'FROZEN', 'FROZEN with evidence'])
        expect(seen).toContain(state);
    });
  }

  it('without a reconciler, the sink need not even be guarded', () => {
    expect(new Explorer(rules, false).explore(worlds['two workers']).broken).toBeUndefined();
  });

  it('with one, it must be: a paused original applies its effect after another try was allowed', () => {
    expect(new Explorer(rules, false).explore(worlds['two workers and a reconciler']).broken).toMatch(/applied twice/);
  });
});

const pending = (record: IdempotencyRecord): IdempotencyRecord => ({ ...record, state: 'PENDING', frozen: undefined });

const mutants: Readonly<Record<string, Partial<Rules>>> = {
  'a lease that ends makes it PENDING': {
    admit(record, by, fence, ended) {
      const admission = rules.admit(record, by, fence, ended);
      return admission.type === 'freeze'
        ? { type: 'claim', next: { ...pending(admission.next), state: 'PROCESSING', claim: by.claim, fence } }
        : admission;
    },
  },
  'FROZEN may be claimed': {
    admit: (record, by, fence, ended) => rules.admit(record?.state === 'FROZEN' ? pending(record) : record, by, fence, ended),
  },
  'COMPLETED may be claimed': {
    admit: (record, by, fence, ended) => rules.admit(record?.state === 'COMPLETED' ? pending(record) : record, by, fence, ended),
  },
  'an error after an effect allows another try': {
    settled: (record, holder, ending, effects, atMs) =>
      rules.settled(record, holder, ending.type === 'threw' ? { type: 'threw-before-effect', error: '' } : ending, effects, atMs),
  },
  'whoever is late counts as the holder': {
    isHeldBy: (record) => record.state !== 'PENDING',
    settled: (record, _, ending) => ({ ...record, state: ending.type === 'completed' ? 'COMPLETED' : 'PENDING' }),
  },
  'a late outcome is written over what was decided': {
    withLateOutcome: (record, late) => ({ ...record, state: 'COMPLETED', answer: late.answer, evidence: [late] }),
  },
  'a late outcome thaws': { withLateOutcome: (record, late) => pending({ ...record, evidence: [...record.evidence, late] }) },
  'evidence replaces evidence': {
    withLateOutcome(record, late) {
      const next = rules.withLateOutcome(record, late);
      return next === undefined ? undefined : { ...next, evidence: [{ ...late }] };
    },
  },
  'the reconciler raises no fence': {
    takeFrozen(record, by, fence, atMs) {
      const next = rules.takeFrozen(record, by, fence, atMs);
      return next === undefined ? undefined : { ...next, fence: record.fence };
    },
  },
  'a new claim has the old fence': {
    admit(record, by, fence, ended) {
      const admission = rules.admit(record, by, fence, ended);
      return admission.type === 'claim' ? { ...admission, next: { ...admission.next, fence: 1n } } : admission;
    },
  },
};

describe('each broken rule is found', { timeout: 120_000 }, () => {
  it.each(Object.entries(mutants))('%s', (_, change) => {
    expect(brokenBy(change)).toBeDefined();
  });
});
