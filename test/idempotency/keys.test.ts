import { describe, expect, it } from 'vitest';
import { withLateOutcome } from '../../src/idempotency/late.js';
import { admit, settled } from '../../src/idempotency/machine.js';
import { resolveFrozen, takeFrozen } from '../../src/idempotency/reconciling.js';
import { formatRecord, type IdempotencyRecord, type LateOutcome, parseRecord } from '../../src/idempotency/record.js';
import { recordKeyOf, signatureOf } from '../../src/idempotency/signature.js';

describe('keys of records', () => {
  it('no text in one part passes for another part', () => {
    const texts = ['', 'a', 'ab', 'a:b', ':', '\0', '1', '\ud800', '\udc00'];
    const keys = new Set<string>();
    let identities = 0;
    for (const namespace of texts) {
      for (const tenant of [undefined, ...texts]) {
        for (const operation of texts) {
          for (const key of texts) {
            keys.add(recordKeyOf({ namespace, tenant, operation, key }));
            identities += 1;
          }
        }
      }
    }
    expect(keys.size).toBe(identities);
  });

  it('parts of a signature cannot be shifted', () => {
    expect(signatureOf(['ab', 'c'])).not.toBe(signatureOf(['a', 'bc']));
    expect(signatureOf(['a', ''])).not.toBe(signatureOf(['a']));
    expect(signatureOf([])).not.toBe(signatureOf(['']));
  });
});

const claimant = {
  namespace: 'n',
  tenant: undefined,
  operation: 'o',
  key: 'k',
  signature: 's',
  claim: 'c',
  node: 'here',
  leaseTtlMs: 1_000,
  ttlMs: 2_000,
  atMs: 5,
};
const claimed = (admit(undefined, claimant, 7n, false) as { next: IdempotencyRecord }).next;
const frozen = settled(claimed, claimed, { type: 'threw', error: 'x' }, ['charge'], 6) as IdempotencyRecord;
const by = { term: 3n, by: 'r' };
const taken = takeFrozen(frozen, by, 8n, 7) as IdempotencyRecord;
const completed = (text: string) => ({ verdict: 'completed', answer: { kept: true, text } }) as const;

function late(outcome: LateOutcome['outcome'], text = '1'): LateOutcome {
  const answer = outcome === 'completed' || outcome === 'failed' ? ({ kept: true, text } as const) : undefined;
  return { attempt: 1, fence: 7n, node: 'there', outcome, effects: [], answer, error: undefined, atMs: 9 };
}

describe('records', () => {
  it('come back as they were', () => {
    const resolved = resolveFrozen(taken, by, completed('{"a":1}'), 'found it', 8) as IdempotencyRecord;
    for (const record of [claimed, frozen, taken, resolved, withLateOutcome(resolved, late('failed')) as IdempotencyRecord]) {
      expect(parseRecord(formatRecord(record))).toEqual(record);
    }
    for (const damaged of [
      '',
      '{}',
      '{"holdfast":1,"state":"PENDING"}',
      '{"holdfast":1,"state":"X","fence":"1"}',
      '{"holdfast":1,"state":"PENDING","fence":"x"}',
    ]) {
      expect(() => parseRecord(damaged)).toThrow(/damaged/);
    }
  });

  it('only the reconciler that took it resolves it, and no older one takes it away', () => {
    expect(resolveFrozen(frozen, by, { verdict: 'retry' }, undefined, 8)).toBeUndefined();
    expect(resolveFrozen(taken, { term: 2n, by: 'r' }, { verdict: 'retry' }, undefined, 8)).toBeUndefined();
    expect(resolveFrozen(taken, { term: 3n, by: 'q' }, { verdict: 'retry' }, undefined, 8)).toBeUndefined();
    expect(takeFrozen(taken, { term: 2n, by: 'q' }, 9n, 8)).toBeUndefined();
    expect(takeFrozen(taken, { term: 4n, by: 'q' }, 9n, 8)).toMatchObject({ fence: 9n, resolution: { term: 4n } });
    expect(takeFrozen(claimed, by, 9n, 8)).toBeUndefined();
    expect(() => takeFrozen(frozen, by, 7n, 8)).toThrow(RangeError);
  });

  it.each([
    ['completed', completed('1'), late('completed', '1'), false],
    ['completed', completed('1'), late('completed', '2'), true],
    ['completed', completed('1'), late('failed'), true],
    ['completed', completed('1'), late('threw-before-effect'), true],
    ['completed', completed('1'), late('threw'), false],
    ['failed', { verdict: 'failed', answer: { kept: true, text: '1' } } as const, late('completed'), true],
    ['failed', { verdict: 'failed', answer: { kept: true, text: '1' } } as const, late('failed', '1'), false],
    ['retry', { verdict: 'retry' } as const, late('completed'), true],
    ['retry', { verdict: 'retry' } as const, late('threw'), false],
  ] as const)('resolved as %s, then a late outcome (%#)', (_, verdict, outcome, disputed) => {
    const resolved = resolveFrozen(taken, by, verdict, undefined, 8) as IdempotencyRecord;
    const next = withLateOutcome(resolved, outcome) as IdempotencyRecord;
    expect(next).toMatchObject({ state: resolved.state, answer: resolved.answer, evidence: [outcome], disputed });
    expect(withLateOutcome(next, outcome)).toBeUndefined();
  });

  it('keep a bounded number of late outcomes, and a dispute all the same', () => {
    let record = resolveFrozen(taken, by, completed('1'), undefined, 8) as IdempotencyRecord;
    for (let attempt = 1; attempt < 30; attempt++)
      record = withLateOutcome(record, { ...late('threw'), attempt, fence: BigInt(attempt) }) ?? record;
    expect(record.evidence).toHaveLength(8);
    expect(record.disputed).toBe(false);
    expect(withLateOutcome(record, late('failed'))).toMatchObject({ disputed: true, evidence: record.evidence });
  });
});
