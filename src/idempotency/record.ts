import { BackendCorruptError } from '../core/errors.js';
import type { Encoded } from './values.js';

/**
 * `PENDING`: nobody works on it, and it may be claimed (again). `PROCESSING`: a claim is running, under a lease. `COMPLETED` and `FAILED`: the
 * answer is known, and replayed. `FROZEN`: nobody knows what was done; it is not executed again until it is reconciled.
 */
export type RecordState = 'PENDING' | 'PROCESSING' | 'COMPLETED' | 'FAILED' | 'FROZEN';

/** Why nobody knows what was done. `lease-ended`: whoever ran it is dead, paused or cut off. */
export type FrozenBecause = 'lease-ended' | 'error-after-effect';

/** What a request is known by, as the caller gave it. */
export interface RequestIdentity {
  readonly namespace: string;
  readonly tenant: string | undefined;
  readonly operation: string;
  readonly key: string;
}

/** One record, as it lies in the store. Times are epoch milliseconds of the writer's clock, for people: nothing is decided by them. */
export interface IdempotencyRecord extends RequestIdentity {
  readonly state: RecordState;
  /** Of the request that made the record; one with another signature is a mismatch. */
  readonly signature: string;
  /** How often it was claimed. */
  readonly attempt: number;
  /** Of the last claim, or of the reconciliation after it: higher than that of any earlier one. */
  readonly fence: bigint;
  /** 128 random bits of the last claim: whoever lost the store's answer knows its own claim again. */
  readonly claim: string;
  readonly leaseTtlMs: number;
  /** How long the answer is kept, from when it was written. */
  readonly ttlMs: number;
  /** The process of the last claim, `host/pid/boot id/start nonce`. */
  readonly node: string;
  readonly claimedAtMs: number;
  readonly renewals: number;
  /** Effects that were marked, as far as the last write knew. More may have been marked since. */
  readonly effects: readonly string[];
  /** COMPLETED and FAILED: what is replayed. */
  readonly answer: Encoded | undefined;
  readonly frozen: Frozen | undefined;
  readonly resolution: Resolution | undefined;
  /** What paused originals had to say after they had lost their lease, oldest first; at most `limits.lateOutcomesMax`. */
  readonly evidence: readonly LateOutcome[];
  /** A late outcome contradicts what was decided meanwhile: a person should look. Kept without an end until `endDispute`. */
  readonly disputed: boolean;
}

export interface Frozen {
  readonly because: FrozenBecause;
  /** What the handler threw, in one line. */
  readonly error: string | undefined;
  readonly atMs: number;
}

/** Who resolved a frozen record, or is about to. */
export interface Resolution {
  /** Of the reconciler's election: an older one is refused. */
  readonly term: bigint;
  readonly by: string;
  /** Undefined: it has raised the fence, and is looking. */
  readonly verdict: 'completed' | 'failed' | 'retry' | undefined;
  /** Where it got to know. */
  readonly why: string | undefined;
  readonly atMs: number;
}

/** The outcome of a handler whose claim had been lost when it ended. */
export interface LateOutcome {
  readonly attempt: number;
  readonly fence: bigint;
  readonly node: string;
  /** `threw-before-effect`: by its own account it has done nothing. `threw`: it may have done something. */
  readonly outcome: 'completed' | 'failed' | 'threw' | 'threw-before-effect';
  readonly effects: readonly string[];
  /** Of `completed` and `failed`. */
  readonly answer: Encoded | undefined;
  readonly error: string | undefined;
  readonly atMs: number;
}

/** @throws BackendCorruptError */
export function parseRecord(text: string): IdempotencyRecord {
  try {
    const record = JSON.parse(text, (name, value: unknown) =>
      bigints.has(name) ? BigInt(value as string) : value,
    ) as Partial<Stored>;
    if (record.holdfast === 1 && typeof record.fence === 'bigint' && states.has(record.state ?? ''))
      return withAll(record as Stored);
  } catch {
    // Told below.
  }
  throw new BackendCorruptError(
    'an idempotency record is damaged: find out who wrote it; its request stays refused until it is mended',
  );
}

export function formatRecord(record: IdempotencyRecord): string {
  const stored: Stored = { holdfast: 1, ...record };
  return JSON.stringify(stored, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

type Stored = IdempotencyRecord & { readonly holdfast: 1 };

const states: ReadonlySet<string> = new Set<RecordState>(['PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'FROZEN']);

/** Of the record and what is in it. An answer is a text of its own, so no user's name is met here. */
const bigints: ReadonlySet<string> = new Set(['fence', 'term']);

/** JSON leaves out what is undefined. */
function withAll(stored: Stored): IdempotencyRecord {
  const { tenant, answer, frozen, resolution } = stored;
  const record: IdempotencyRecord & { holdfast?: 1 } = { ...stored, tenant, answer, frozen, resolution };
  delete record.holdfast;
  return record;
}
