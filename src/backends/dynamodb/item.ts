import type { Ask, LockRecord, Metadata, RevokedBy } from '../../core/backend.js';
import { ownerHash } from '../../core/clock.js';
import { BackendCorruptError } from '../../core/errors.js';
import { fenceMax } from '../../core/fence.js';
import { type NodeIdentity, nodeText } from '../../core/node.js';
import type { AttributeValue, Item } from './client.js';

// One item a name. Its attributes: `name` (the key), `lease_status` ("held" or "free"), `fence` (the last one minted), `version` (one
// more with every write); while held: `owner`, `fence_first`, `ttl_ms`, `since_ms`, `renewed_ms`, `renewals`, `node`, `metadata`; while free:
// `last_owner`, `expires_at` (the table's TTL attribute); and `ended_…` for each owner that must not come back.

/** How an owner stands in the item: its SHA-256, in hexadecimal. Who can read the table does not learn the secret. */
export interface OwnerMark {
  readonly hash: string;
  /** What is shown of it. */
  readonly digest: string;
}

export function ownerMark(owner: string): OwnerMark {
  const hash = ownerHash(owner);
  return { hash, digest: digestOf(hash) };
}

function digestOf(hash: string): string {
  return hash.slice(0, 12);
}

/** Why an owner must not come back, and since when by the clock of whoever said so. */
export interface Ended {
  readonly kind: 'abandoned' | RevokedBy['kind'];
  readonly reason: string;
  /** Of the call that wrote it. */
  readonly call: string;
  readonly atMs: number;
}

export interface Hold {
  /** Hash of the owner. */
  readonly owner: string;
  readonly first: bigint;
  readonly ttlMs: number;
  readonly sinceMs: number;
  /** The last sign of life, by the holder's clock. */
  readonly renewedMs: number;
  readonly renewals: number;
  readonly node: NodeIdentity;
  readonly metadata: Metadata;
}

/** What is known of a name. */
export interface Entry {
  readonly key: string;
  readonly hold: Hold | undefined;
  /** Of whoever released it last. */
  readonly lastOwner: string | undefined;
  /** The last one minted; 0n if the item remembers none. */
  readonly fence: bigint;
  readonly version: string;
  /** By the digest of the owner. */
  readonly ended: ReadonlyMap<string, Ended>;
}

export const endedPrefix = 'ended_';

/** @throws BackendCorruptError */
export function entryOf(key: string, item: Item | undefined): Entry {
  const status = item?.['lease_status']?.S;
  if (item === undefined || status === undefined) {
    return { key, hold: undefined, lastOwner: undefined, fence: 0n, version: '0', ended: endedOf(item ?? {}, key) };
  }
  if (status !== 'held' && status !== 'free') throw corrupt(key, 'lease_status');
  return {
    key,
    hold: status === 'held' ? holdOf(item, key) : undefined,
    lastOwner: item['last_owner']?.S,
    fence: item['fence'] === undefined ? 0n : bigintOf(item, 'fence', key),
    version: String(bigintOf(item, 'version', key)),
    ended: endedOf(item, key),
  };
}

function holdOf(item: Item, key: string): Hold {
  const owner = item['owner']?.S;
  if (owner === undefined || !/^[0-9a-f]{64}$/.test(owner)) throw corrupt(key, 'owner');
  return {
    owner,
    first: bigintOf(item, 'fence_first', key),
    ttlMs: Number(bigintOf(item, 'ttl_ms', key)),
    sinceMs: Number(bigintOf(item, 'since_ms', key)),
    renewedMs: Number(bigintOf(item, 'renewed_ms', key)),
    renewals: Number(bigintOf(item, 'renewals', key)),
    node: jsonOf(item, 'node', key) as NodeIdentity,
    metadata: jsonOf(item, 'metadata', key) as Metadata,
  };
}

function endedOf(item: Item, key: string): ReadonlyMap<string, Ended> {
  const names = Object.keys(item).filter((name) => name.startsWith(endedPrefix));
  return new Map(names.map((name) => [name.slice(endedPrefix.length), jsonOf(item, name, key) as Ended]));
}

function bigintOf(item: Item, name: string, key: string): bigint {
  const text = item[name]?.N;
  if (text === undefined || !/^\d{1,19}$/.test(text)) throw corrupt(key, name);
  const value = BigInt(text);
  if (value > fenceMax) throw corrupt(key, name);
  return value;
}

function jsonOf(item: Item, name: string, key: string): object {
  try {
    const value: unknown = JSON.parse(item[name]?.S ?? '');
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below.
  }
  throw corrupt(key, name);
}

function corrupt(key: string, name: string): BackendCorruptError {
  return new BackendCorruptError(
    `DynamoDB: the item "${key}" has an attribute ${name} that Holdfast cannot have written: find out who did, and delete the item when nobody holds the lock`,
  );
}

/** What stands in an item while it is held, but for its fences. */
export function holdValues({ ttlMs, node, metadata }: Ask, nowMs: number): Record<string, AttributeValue> {
  return {
    ':ttl': number(Math.ceil(ttlMs)),
    ':now': number(nowMs),
    ':node': text(nodeText(node)),
    ':metadata': text(JSON.stringify(metadata)),
  };
}

export function text(value: string): AttributeValue {
  return { S: value };
}

export function number(value: number | bigint): AttributeValue {
  return { N: String(value) };
}

/** @param leftMs what the observer knows of the time that is left */
export function recordOf(name: string, { key, fence }: Entry, hold: Hold, leftMs: number, nowWallMs: number): LockRecord {
  return {
    name,
    key,
    state: 'held',
    mode: 'exclusive',
    ownerDigest: digestOf(hold.owner),
    node: hold.node,
    fence,
    ttlMs: hold.ttlMs,
    expiresInMs: leftMs,
    // The holder's clock against ours: for a person to read, and nothing depends on it.
    sinceMs: Math.max(0, nowWallMs - hold.sinceMs),
    renewals: hold.renewals,
    metadata: hold.metadata,
  };
}
