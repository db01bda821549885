import { setTimeout as sleep } from 'node:timers/promises';
import { asHoldfastError } from '../core/calls.js';
import { unlessDamaged } from '../core/record-list.js';
import type { Records, StoredRecord } from '../core/records.js';
import { parseRecord } from '../idempotency/record.js';
import { recordKeyOf, recordKeyPrefix } from '../idempotency/signature.js';
import type { Facts, FrozenFact } from './facts.js';
import type { Post } from './post.js';

/** What of a request is known besides its key. With the operation it is found without reading all records. */
export interface RequestWanted {
  readonly operation: string;
  /** Default: `default`. */
  readonly namespace?: string | undefined;
  readonly tenant?: string | undefined;
}

/** Reading all records of a large store must not keep a person waiting: who has that many names the operation. */
const searchMsMax = 3_000;
const notAll = `not all records were looked through for a frozen one within ${searchMsMax / 1_000} s: name its operation with --operation`;

type Found = Pick<Facts, 'frozen' | 'unseen'>;

/**
 * Frozen records that somebody on call would call by this name: their own key in the store, or the idempotency key of the request. A search
 * through all records that fails is told, and no more: whoever holds the name is known without it, and a role may have no right to list.
 *
 * @throws HoldfastError where one record was asked for
 */
export async function frozenRecords(post: Post, name: string, request: RequestWanted | undefined): Promise<Found> {
  const records = post.backend.records?.();
  if (records === undefined) return { frozen: [], unseen: [] };
  const isNamed = request !== undefined || name.startsWith(recordKeyPrefix);
  try {
    if (isNamed) return { frozen: (await named(post, records, name, request)).flatMap(frozen), unseen: [] };
    const { matching, isWhole } = await searched(post, records, name);
    return { frozen: matching.flatMap(frozen), unseen: isWhole ? [] : [notAll] };
  } catch (error) {
    const told = asHoldfastError(error, 'reading records');
    if (isNamed) throw told;
    return { frozen: [], unseen: [`frozen records were not looked for: ${told.message}`] };
  }
}

async function named(post: Post, records: Records, name: string, request: RequestWanted | undefined): Promise<StoredRecord[]> {
  const { calls, callTimeoutMs } = post;
  const get = async (key: string) => {
    const record = await calls.promise(callTimeoutMs, 'reading a record', async () => unlessDamaged(() => records.get(key)));
    return record === undefined ? [] : [record];
  };
  if (request === undefined || name.startsWith(recordKeyPrefix)) return get(name);
  const { operation, namespace = 'default', tenant } = request;
  return get(recordKeyOf({ namespace, tenant, operation, key: name }));
}

async function searched({ calls, callTimeoutMs }: Post, records: Records, name: string) {
  const listing = records.list?.(recordKeyPrefix)[Symbol.asyncIterator]();
  const matching: StoredRecord[] = [];
  // Most records are another's: they are told apart by their text, before anything is parsed.
  const mark = JSON.stringify(name);
  // One step may be a walk through all of a large keyspace: the search ends in the middle of it.
  const over = sleep(searchMsMax, undefined, { ref: false });
  while (listing !== undefined) {
    const next = calls.promise(callTimeoutMs, 'listing records', () => listing.next());
    next.catch(() => undefined);
    const step = await Promise.race([next, over]);
    if (step === undefined) break;
    if (step.done === true) return { matching, isWhole: true };
    if (step.value.value.includes(mark) && keyOf(step.value.value) === name) matching.push(step.value);
  }
  listing?.return?.().catch(() => undefined);
  return { matching, isWhole: listing === undefined };
}

function keyOf(value: string): string | undefined {
  try {
    return parseRecord(value).key;
  } catch {
    return undefined;
  }
}

/** Frozen, or as good as: its lease has ended, and nobody has met it since. */
function frozen({ key: recordKey, value, ageMs }: StoredRecord): FrozenFact[] {
  let record: ReturnType<typeof parseRecord>;
  try {
    record = parseRecord(value);
  } catch {
    return [];
  }
  const { state, leaseTtlMs, operation, key, frozen: how, node, fence, attempt, effects } = record;
  const isOver = state === 'PROCESSING' && ageMs !== undefined && ageMs > leaseTtlMs;
  if (state !== 'FROZEN' && !isOver) return [];
  return [{ recordKey, operation, key, because: how?.because, error: how?.error, node, fence, attempt, effects }];
}
