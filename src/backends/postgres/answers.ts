import type { Ask, Grant, LockRecord, Metadata, Refusal, Release, Revocation } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import { OutcomeUnknownError } from '../../core/errors.js';
import { decodeName, type LockName } from '../../core/name.js';
import type { NodeIdentity } from '../../core/node.js';

// What our functions answer, in the words of the contract. It is described at the top of each.

/** A holder or waiter, as JSON of the functions `holders` and `list`. Fences are texts: JSON has no integers above 2^53. */
export interface Shown {
  readonly owner: string;
  readonly shared: boolean;
  readonly last: string | null;
  readonly ttl: number;
  readonly age: number;
  readonly left: number | null;
  readonly renewals: number;
  readonly node: string;
  readonly metadata: string;
}

/** For an answer that belongs to another statement: a grant therefore names its owner. */
export function misdelivered(): OutcomeUnknownError {
  return new OutcomeUnknownError('the PostgreSQL client handed over the answer to another statement: report this as a defect');
}

export function answerOf(reply: string | null, ask: Ask, schema: string): Grant | Refusal {
  if (reply === null) throw misdelivered();
  if (!reply.startsWith('{')) return grantOf(reply, ask);
  const { because, ahead, retry, holders } = JSON.parse(reply) as {
    because: Refusal['because'];
    ahead: number;
    retry: number | null;
    holders: readonly Shown[];
  };
  return {
    outcome: 'refused',
    because,
    holders: holders.map((holder) => recordOf(holder, 'held', ask.name.text, schema)),
    ahead,
    ...(retry === null ? {} : { retryInMs: retry }),
  };
}

function grantOf(reply: string, { owner, ttlMs }: Ask): Grant {
  const [first = '', last = '', to] = reply.split(' ');
  if (to !== owner) throw misdelivered();
  return { outcome: 'granted', fences: { first: BigInt(first), last: BigInt(last) }, ttlMs };
}

export function releaseOf(reply: string | null): Release {
  if (reply === 'released' || reply === 'absent' || reply === 'not-owner') return reply;
  throw misdelivered();
}

export function revocationOf(
  reply: string | null,
  id: string,
  name: LockName,
  schema: string,
  heir: Ask | undefined,
): Revocation {
  const [of, ended, grant] = JSON.parse(reply ?? '[]') as [string, readonly Shown[], string | null];
  if (of !== id) throw misdelivered();
  const records = ended.map((holder) => recordOf(holder, 'held', name.text, schema));
  return heir === undefined || grant === null ? { ended: records } : { ended: records, grant: grantOf(grant, heir) };
}

export function recordOf(shown: Shown, state: LockRecord['state'], name: string, schema: string): LockRecord {
  const table = state === 'waiting' ? 'waiters' : shown.shared ? 'readers' : 'leases';
  return {
    name,
    key: `${schema}.${table}`,
    state,
    mode: shown.shared ? 'shared' : 'exclusive',
    ownerDigest: ownerDigest(shown.owner),
    node: parse(shown.node, unknownNode),
    ...(shown.last === null ? {} : { fence: BigInt(shown.last) }),
    ttlMs: shown.ttl,
    ...(shown.left === null ? {} : { expiresInMs: Math.max(0, shown.left) }),
    sinceMs: Math.max(0, shown.age),
    renewals: shown.renewals,
    metadata: parse<Metadata>(shown.metadata, {}),
  };
}

export const unknownNode: NodeIdentity = { host: 'unknown', pid: 0, bootId: '', startedAt: '', nonce: '' };

/** A row that was damaged by hand must not hide the others. */
export function parse<T>(json: string, fallback: T): T {
  try {
    return JSON.parse(json) as T;
  } catch {
    return fallback;
  }
}

/** The name as it was written. */
export function nameOf(stored: string): string {
  return decodeName(stored);
}
