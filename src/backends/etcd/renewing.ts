import type { Held, Renewal, RevokedBy } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { idOf, type NameKeys } from './keys.js';
import type { Lease } from './leases.js';
import { txn } from './methods.js';
import { strangersLease } from './seats.js';
import type { Store } from './store.js';
import type { KeyValue, Op, OpResponse } from './wire/messages.js';

/** What one transaction may do, by etcd's default. */
export const opsMax = 128;

/** Shares of what is left of the time that the first stream gets, which may be dead without saying so, and the second one. The rest is for the look. */
const streamRatios = [0.5, 0.6];

interface Attached {
  readonly key: string;
  readonly lease: Lease;
}

/**
 * Renews leases, and then looks whether the keys are still there. In this order, because the member that renewed may have been
 * voted out without knowing: the look is decided by a majority, and if that is of the same term, so was the leader.
 * A key that is there after its lease was renewed stays for the lease's time.
 *
 * @returns the keys that are there, and renewed; what is missing may be either gone or not known
 */
export async function confirm(
  store: Store,
  attached: readonly Attached[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, KeyValue>> {
  const { confirmed } = await look(store, attached, timeoutMs);
  return confirmed;
}

async function look(store: Store, attached: readonly Attached[], timeoutMs: number) {
  const { ports } = store.rpc;
  const beganAt = ports.now();
  const dueMs = beganAt.monotonicMs + timeoutMs;
  const leases = new Map(attached.map(({ lease }) => [lease.id, lease]));
  const missing = new Set(leases.keys());
  for (const ratio of streamRatios) {
    if (missing.size === 0) break;
    const sentAt = ports.now();
    const kept = await store.keepAlives.renew(missing, (dueMs - sentAt.monotonicMs) * ratio);
    const arrivedAt = ports.now();
    for (const [id, one] of kept) {
      leases.get(id)?.claimed(one, sentAt, arrivedAt);
      missing.delete(id);
    }
  }
  const confirmed = new Map<string, KeyValue>();
  const keys = attached.map(({ key }) => key);
  const found = await read(store, keys, dueMs, [...leases.values()]);
  for (const { key, lease } of attached) {
    const kv = found.get(key);
    if (kv?.lease === lease.id && lease.isProvenSince(beganAt)) confirmed.set(key, kv);
  }
  return { confirmed, found };
}

/** Keys without their values, in as few transactions as possible, which are answered by a majority. */
async function read(
  { rpc }: Store,
  keys: readonly string[],
  dueMs: number,
  leases: readonly Lease[] = [],
): Promise<ReadonlyMap<string, KeyValue>> {
  const found = new Map<string, KeyValue>();
  const portions: (readonly string[])[] = [];
  for (let i = 0; i < keys.length; i += opsMax) portions.push(keys.slice(i, i + opsMax));
  const sentAt = rpc.ports.now();
  const answers = await Promise.all(
    portions.map((portion) => {
      const success = portion.map((key): Op => ({ range: { key, keysOnly: true } }));
      return rpc.call(txn, { compare: [], success, failure: [] }, Math.max(1, dueMs - sentAt.monotonicMs));
    }),
  );
  for (const { header, responses } of answers) {
    for (const lease of leases) lease.decided(header, sentAt);
    for (const { range } of responses) for (const kv of range?.kvs ?? []) found.set(kv.key, kv);
  }
  return found;
}

/** One hold of a batch. */
interface Entry {
  readonly held: Held;
  readonly keys: NameKeys;
  readonly id: string;
  readonly key: string;
  lease: Lease | undefined;
}

/** Many holds: all their leases on one stream, all their keys in a few transactions. */
export async function renewAll(store: Store, holds: readonly Held[]): Promise<readonly Renewal[]> {
  const entries = holds.map((held): Entry => {
    const seat = store.seats.find(held.owner);
    const id = seat?.id ?? idOf(held.owner);
    const keys = store.keys.of(held.name);
    return { held, keys, id, key: keys.hold(held.mode, id), lease: seat?.lease };
  });
  const ttlMs = Math.min(...holds.map((held) => held.ttlMs));
  const timeoutMs = callTimeoutMs(store.commandTimeoutMs, ttlMs, limits.renewTimeoutTtlRatioMax);
  try {
    return await renewEntries(store, entries, timeoutMs);
  } catch (cause) {
    return holds.map(() => ({ outcome: 'unknown', cause }));
  }
}

async function renewEntries(store: Store, entries: readonly Entry[], timeoutMs: number): Promise<readonly Renewal[]> {
  const { ports } = store.rpc;
  const askedAt = ports.now();
  const dueMs = askedAt.monotonicMs + timeoutMs;
  await findLeases(store, entries, dueMs);
  const attached = entries.flatMap(({ key, lease }) => (lease === undefined ? [] : [{ key, lease }]));
  const leftMs = Math.max(1, dueMs - ports.now().monotonicMs);
  const { confirmed, found } = await look(store, attached, leftMs);
  const gone = entries.filter(({ key }) => !found.has(key));
  const endings = await endingsOf(store, gone, dueMs);
  return entries.map((entry) => {
    const { key, held, lease } = entry;
    const seat = store.seats.find(held.owner);
    if (seat !== undefined) seat.lastUsed = askedAt;
    if (confirmed.has(key) && lease !== undefined) {
      return { outcome: 'renewed', ttlMs: Math.min(held.ttlMs, Math.floor(lease.leftMs(askedAt))) };
    }
    const ending = endings.get(entry);
    if (ending === undefined) return { outcome: 'unknown', cause: unanswered() };
    if (seat?.held === true) {
      // Somebody ended it: what else is under its lease is not known.
      seat.uncertain = true;
      store.seats.over(seat);
    }
    return ending;
  });
}

/** Of holds that another client has taken: what lease they are under stands with their keys. */
async function findLeases(store: Store, entries: readonly Entry[], dueMs: number): Promise<void> {
  const unknown = entries.filter(({ lease }) => lease === undefined);
  if (unknown.length === 0) return;
  const found = await read(
    store,
    unknown.map(({ key }) => key),
    dueMs,
  );
  for (const entry of unknown) {
    const kv = found.get(entry.key);
    if (kv !== undefined) entry.lease = strangersLease(kv.lease, entry.held.ttlMs);
  }
}

/** Why holds are not there: whether somebody else has the name, and who ended them. */
async function endingsOf({ rpc }: Store, gone: readonly Entry[], dueMs: number): Promise<ReadonlyMap<Entry, Renewal>> {
  const endings = new Map<Entry, Renewal>();
  const each = opsMax / 2;
  for (let i = 0; i < gone.length; i += each) {
    const portion = gone.slice(i, i + each);
    const success = portion.flatMap(({ keys, id }): readonly Op[] => [
      { range: { ...keys.held, limit: 1, keysOnly: true } },
      { range: { key: keys.mark(id) } },
    ]);
    const leftMs = Math.max(1, dueMs - rpc.ports.now().monotonicMs);
    const { responses } = await rpc.call(txn, { compare: [], success, failure: [] }, leftMs);
    for (const [n, entry] of portion.entries()) endings.set(entry, endingOf(responses[2 * n], responses[2 * n + 1]));
  }
  return endings;
}

function endingOf(others: OpResponse | undefined, mark: OpResponse | undefined): Renewal {
  const by = revokedBy(mark?.range?.kvs[0]?.value ?? '');
  const outcome = (others?.range?.kvs.length ?? 0) > 0 ? 'not-yours' : 'gone';
  return { outcome, ...(by === undefined ? {} : { by }) };
}

/** Damage here must not reach the other holds of the batch. */
function revokedBy(mark: string): RevokedBy | undefined {
  try {
    return mark === '' ? undefined : (JSON.parse(mark) as RevokedBy);
  } catch {
    return undefined;
  }
}

function unanswered(): OutcomeUnknownError {
  return new OutcomeUnknownError(
    'etcd: a lease was not renewed in time, or by a member that is no leader any more: it is tried again',
  );
}
