import type { LockRecord } from '../../core/backend.js';
import type { LockName } from '../../core/name.js';
import { verdictOf } from './errors.js';
import type { KeyParts } from './keys.js';
import { leaseTimeToLive, range } from './methods.js';
import type { Store } from './store.js';
import { lockRecord } from './values.js';
import type { KeyValue } from './wire/messages.js';

/** Keys of one answer: a few hundred kilobytes with ordinary metadata. */
const pageKeys = 1_000;
/** Leases that are asked for at the same time. */
const leasesAtOnce = 50;

type Found = readonly [KeyValue, KeyParts];

/** Everybody at one name, as of one moment, as long as the cluster remembers that moment. */
export async function recordsAt(store: Store, name: LockName): Promise<readonly LockRecord[]> {
  const group: Found[] = [];
  for await (const kv of keysIn(store, store.keys.of(name).all)) {
    const parts = store.keys.parse(kv.key);
    if (parts !== undefined) group.push([kv, parts]);
  }
  const found: LockRecord[] = [];
  for await (const record of recordsOf(store, group)) found.push(record);
  return found;
}

/** Everybody below a prefix, name by name, all as of one moment, as long as the cluster remembers that moment. */
export async function* records(store: Store, prefix: string): AsyncGenerator<LockRecord> {
  let group: Found[] = [];
  for await (const kv of keysBelow(store, prefix)) {
    const parts = store.keys.parse(kv.key);
    if (parts === undefined || !parts.name.startsWith(prefix)) continue;
    if (group[0] !== undefined && group[0][1].name !== parts.name) {
      yield* recordsOf(store, group);
      group = [];
    }
    group.push([kv, parts]);
  }
  yield* recordsOf(store, group);
}

export function keysBelow(store: Reading & Pick<Store, 'keys'>, prefix: string): AsyncGenerator<KeyValue> {
  return keysIn(store, store.keys.startingWith(prefix));
}

type Reading = Pick<Store, 'rpc' | 'commandTimeoutMs'>;

/** Page by page, all as of one moment where the cluster remembers it for long enough. */
async function* keysIn(
  { rpc, commandTimeoutMs }: Reading,
  { key: first, rangeEnd }: { readonly key: string; readonly rangeEnd: string | Uint8Array },
): AsyncGenerator<KeyValue> {
  let key = first;
  let revision = 0;
  for (;;) {
    let page: Awaited<ReturnType<typeof ask>>;
    const ask = () => rpc.call(range, { key, rangeEnd, limit: pageKeys, revision }, commandTimeoutMs);
    try {
      page = await ask();
    } catch (error) {
      if (verdictOf(error) !== 'compacted') throw error;
      // The rest as of now.
      revision = 0;
      continue;
    }
    yield* page.kvs;
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return;
    revision = page.header?.revision ?? 0;
    key = `${last.key}\0`;
  }
}

/** Of one name: who holds, then who waits, in the order of the queue. */
async function* recordsOf(store: Store, group: readonly Found[]): AsyncGenerator<LockRecord> {
  const held = group.filter(([, { kind }]) => kind === 'held');
  const holding = new Set(held.map(([, { id }]) => id));
  for (let i = 0; i < held.length; i += leasesAtOnce) {
    const portion = held.slice(i, i + leasesAtOnce);
    const left = await Promise.all(portion.map(([{ lease }]) => leftMs(store, lease)));
    for (const [n, [kv, parts]] of portion.entries()) {
      const expiresInMs = left[n];
      // Its time is over, and it is about to be deleted.
      if (expiresInMs !== undefined && expiresInMs < 0) continue;
      yield lockRecord(kv, parts, expiresInMs === undefined ? {} : { expiresInMs });
    }
  }
  const waiting = group.filter(([, { kind, id }]) => kind === 'queue' && !holding.has(id));
  waiting.sort(([a], [b]) => a.createRevision - b.createRevision);
  for (const [kv, parts] of waiting) yield lockRecord(kv, parts);
}

/** In whole seconds, cut off. Negative for a lease that is over, undefined for a key without one. */
async function leftMs({ rpc, commandTimeoutMs }: Store, lease: number): Promise<number | undefined> {
  if (lease === 0) return undefined;
  const { ttl } = await rpc.call(leaseTimeToLive, { id: lease }, commandTimeoutMs);
  return ttl < 0 ? -1 : ttl * 1_000;
}
