import type { IdempotencyRecord, RequestIdentity } from './record.js';
import type { Encoded } from './values.js';

/**
 * The life of a record as pure functions from what stands in the store to what is written over it, by compare-and-set. No clock is read here.
 *
 *     none ──claim──▶ PROCESSING ──completed──▶ COMPLETED
 *                      ▲   │  │ └───failed────▶ FAILED
 *                    claim │  └─error after an effect, or the lease ended──▶ FROZEN ──reconciled──▶ COMPLETED | FAILED | PENDING
 *                      │   └─error before any effect─▶ PENDING
 *                      └──────────────────────────────────┘
 *
 * What is kept here: COMPLETED and FAILED are never written over, but for evidence. PROCESSING is left only by the claim that made it, under its lease, or by
 * freezing. FROZEN is left only by a reconciler that has written down its term and a higher fence before.
 */
export interface Claimant extends RequestIdentity {
  readonly signature: string;
  readonly claim: string;
  readonly node: string;
  readonly leaseTtlMs: number;
  readonly ttlMs: number;
  readonly atMs: number;
}

/** What a request finds. */
export type Admission =
  /** It may be claimed, by writing `next`. */
  | { readonly type: 'claim'; readonly next: IdempotencyRecord }
  /** It is claimed, by this very claim: the store's answer had been lost. */
  | { readonly type: 'own' }
  /** The lease has ended. To be written down, then told. */
  | { readonly type: 'freeze'; readonly next: IdempotencyRecord }
  | { readonly type: 'mismatch' | 'running' | 'frozen' | 'replay' };

/** How a handler ended. */
export type Ending =
  | { readonly type: 'completed' | 'failed'; readonly answer: Encoded }
  | { readonly type: 'threw-before-effect' | 'threw'; readonly error: string };

/** What proves a claim. */
export type Holder = Pick<IdempotencyRecord, 'claim' | 'attempt' | 'fence'>;

/**
 * @param fence higher than that of the record
 * @param ended whether the lease of a PROCESSING record is over
 */
export function admit(record: IdempotencyRecord | undefined, by: Claimant, fence: bigint, ended: boolean): Admission {
  if (record === undefined) return { type: 'claim', next: claimed(undefined, by, fence) };
  // Before the state: a running one's answer is not the answer to this.
  if (record.signature !== by.signature) return { type: 'mismatch' };
  switch (record.state) {
    case 'PENDING':
      return { type: 'claim', next: claimed(record, by, fence) };
    case 'PROCESSING': {
      if (record.claim === by.claim) return { type: 'own' };
      const next = ended ? freezeEnded(record, by.atMs) : undefined;
      return next === undefined ? { type: 'running' } : { type: 'freeze', next };
    }
    case 'FROZEN':
      return { type: 'frozen' };
    case 'COMPLETED':
    case 'FAILED':
      return { type: 'replay' };
  }
}

function claimed(before: IdempotencyRecord | undefined, by: Claimant, fence: bigint): IdempotencyRecord {
  const { namespace, tenant, operation, key, signature, claim, node, leaseTtlMs, ttlMs, atMs } = by;
  if (before !== undefined && fence <= before.fence) throw new RangeError(`fence ${fence} is not above ${before.fence}`);
  return {
    state: 'PROCESSING',
    namespace,
    tenant,
    operation,
    key,
    signature,
    attempt: (before?.attempt ?? 0) + 1,
    fence,
    claim,
    leaseTtlMs,
    ttlMs,
    node,
    claimedAtMs: atMs,
    renewals: 0,
    effects: [],
    answer: undefined,
    frozen: undefined,
    resolution: before?.resolution,
    evidence: before?.evidence ?? [],
    disputed: before?.disputed ?? false,
  };
}

/** Whether the record is PROCESSING under this claim. */
export function isHeldBy(record: IdempotencyRecord, holder: Holder): boolean {
  return record.state === 'PROCESSING' && isOf(record, holder);
}

/** Whether this claim ended it itself: its write had been done, and the answer was lost. A reconciler would have raised the fence. */
export function isSettledBy(record: IdempotencyRecord, holder: Holder): boolean {
  if (record.state === 'PROCESSING' || record.frozen?.because === 'lease-ended') return false;
  return isOf(record, holder);
}

function isOf(record: IdempotencyRecord, { claim, attempt, fence }: Holder): boolean {
  return record.claim === claim && record.attempt === attempt && record.fence === fence;
}

/** A renewal: the write itself shows that the holder lives. Undefined if it is not the holder's any more. */
export function renewed(record: IdempotencyRecord, holder: Holder, effects: readonly string[]): IdempotencyRecord | undefined {
  if (!isHeldBy(record, holder)) return undefined;
  return { ...record, renewals: record.renewals + 1, effects };
}

/** The handler ended. Undefined if the record is not the holder's any more: then see `withLateOutcome`. */
export function settled(
  record: IdempotencyRecord,
  holder: Holder,
  ending: Ending,
  effects: readonly string[],
  atMs: number,
): IdempotencyRecord | undefined {
  if (!isHeldBy(record, holder)) return undefined;
  switch (ending.type) {
    case 'completed':
      return { ...record, state: 'COMPLETED', effects, answer: ending.answer };
    case 'failed':
      return { ...record, state: 'FAILED', effects, answer: ending.answer };
    case 'threw-before-effect':
      return { ...record, state: 'PENDING', effects };
    case 'threw':
      return { ...record, state: 'FROZEN', effects, frozen: { because: 'error-after-effect', error: ending.error, atMs } };
  }
}

/** The lease has ended while PROCESSING: nobody knows what was done. Undefined if it is not PROCESSING. */
export function freezeEnded(record: IdempotencyRecord, atMs: number): IdempotencyRecord | undefined {
  if (record.state !== 'PROCESSING') return undefined;
  return { ...record, state: 'FROZEN', frozen: { because: 'lease-ended', error: undefined, atMs } };
}
