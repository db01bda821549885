import type { LockRecord } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { sweep } from './granting.js';
import type { KeyParts } from './keys.js';
import { isReadersText, lockRecord, parseText } from './values.js';
import { type KeyValue, lookBelow } from './ops.js';
import type { Store } from './store.js';

type Found = readonly [KeyValue, KeyParts];

/** Everybody at one name, as of one moment. */
export async function recordsAt(store: Store, name: LockName): Promise<readonly LockRecord[]> {
  const found: LockRecord[] = [];
  for await (const record of recordsIn(store, store.keys.of(name).base, name.text)) found.push(record);
  return found;
}

/** Everybody below a prefix, all as of one moment. */
export function records(store: Store, prefix: string): AsyncGenerator<LockRecord> {
  return recordsIn(store, store.keys.startingWith(prefix), prefix);
}

/**
 * What has stood still for its time, as seen from here, is over: that is written down, so that everybody knows it at once, and it
 * is not shown.
 */
async function* recordsIn(store: Store, start: string, prefix: string): AsyncGenerator<LockRecord> {
  const { rpc, keys, commandTimeoutMs } = store;
  const answer = await rpc.txn('listing', [lookBelow(start)], commandTimeoutMs);
  const names = new Map<string, Found[]>();
  for (const kv of answer.ok ? answer.kvs : []) {
    const parts = keys.parse(kv.key);
    if (parts === undefined || !parts.name.startsWith(prefix)) continue;
    const group = names.get(parts.name) ?? [];
    names.set(parts.name, group);
    group.push([kv, parts]);
  }
  for (const group of names.values()) yield* recordsOf(store, group);
}

/** Of one name: who holds, then who waits, in the order of the queue. */
async function* recordsOf(store: Store, group: readonly Found[]): AsyncGenerator<LockRecord> {
  const over: KeyValue[] = [];
  const shown: LockRecord[] = [];
  const isLeft = ([kv]: Found, goodForMs: number) => {
    const leftMs = store.sightings.leftMs(kv, goodForMs);
    if (leftMs === 0) over.push(kv);
    return leftMs;
  };
  const held = group.filter(([kv, { kind }]) => kind === 'read' || (kind === 'lock' && !isReadersText(kv.value)));
  for (const found of held) {
    const [kv, { name }] = found;
    const text = parseText(kv);
    const leftMs = text === undefined ? undefined : isLeft(found, text.ttlMs);
    if (leftMs !== 0) shown.push(lockRecord(name, kv, 'held', leftMs));
  }
  const waiting = group.filter(([, { kind }]) => kind === 'wait').sort(([a], [b]) => a.createIndex - b.createIndex);
  for (const found of waiting) {
    const [kv, { name }] = found;
    if (isLeft(found, limits.placeMs) !== 0) shown.push(lockRecord(name, kv, 'waiting'));
  }
  // What is left of readers and of a line whose processes have all died.
  const hollow = (kind: 'lock' | 'line') => group.find(([, parts]) => parts.kind === kind)?.[0];
  const [door, line] = [hollow('lock'), hollow('line')];
  if (door !== undefined && isReadersText(door.value) && held.length === 0) over.push(door);
  if (line !== undefined && waiting.length === 0) over.push(line);
  if (over.length > 0) await forget(store, over);
  yield* shown;
}

async function forget({ rpc, sightings, commandTimeoutMs }: Store, kvs: readonly KeyValue[]): Promise<void> {
  // Where it is not allowed to write, or somebody was faster, it is only not shown.
  await rpc.txn('tidying', sweep(kvs), commandTimeoutMs).catch(() => undefined);
  for (const { key } of kvs) sightings.forget(key);
}
