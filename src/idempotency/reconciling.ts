import type { IdempotencyRecord } from './record.js';
import type { Encoded } from './values.js';

/** What a reconciler decided. */
export type Verdict =
  | { readonly verdict: 'completed' | 'failed'; readonly answer: Encoded }
  /** Proven that nothing was applied. */
  | { readonly verdict: 'retry' };

export interface Reconciler {
  readonly term: bigint;
  readonly by: string;
}

/**
 * A reconciler takes a frozen record: a fence above all earlier ones, and its term, are written before the sinks are raised and evidence is read. Undefined if
 * it is not FROZEN, or was taken by a later term.
 */
export function takeFrozen(
  record: IdempotencyRecord,
  { term, by }: Reconciler,
  fence: bigint,
  atMs: number,
): IdempotencyRecord | undefined {
  if (record.state !== 'FROZEN') return undefined;
  if (record.resolution !== undefined && record.resolution.term > term) return undefined;
  if (fence <= record.fence) throw new RangeError(`fence ${fence} is not above ${record.fence}`);
  return { ...record, fence, resolution: { term, by, verdict: undefined, why: undefined, atMs } };
}

/** Its verdict. Undefined unless the record is FROZEN and was taken under this term. */
export function resolveFrozen(
  record: IdempotencyRecord,
  { term, by }: Reconciler,
  verdict: Verdict,
  why: string | undefined,
  atMs: number,
): IdempotencyRecord | undefined {
  const { state, resolution } = record;
  if (state !== 'FROZEN' || resolution === undefined || resolution.verdict !== undefined) return undefined;
  if (resolution.term !== term || resolution.by !== by) return undefined;
  const decided = { ...record, frozen: undefined, resolution: { term, by, verdict: verdict.verdict, why, atMs } };
  switch (verdict.verdict) {
    case 'completed':
      return { ...decided, state: 'COMPLETED', answer: verdict.answer };
    case 'failed':
      return { ...decided, state: 'FAILED', answer: verdict.answer };
    case 'retry':
      return { ...decided, state: 'PENDING' };
  }
}
