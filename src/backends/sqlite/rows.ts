import { basename } from 'node:path';
import type { Ask, LockRecord, Metadata, Mode } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import { BackendCorruptError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { decodeName } from '../../core/name.js';
import type { NodeIdentity } from '../../core/node.js';
import type { Process } from './alive.js';
import type { Row } from './driver.js';

/** A hold, as a row of `locks` (exclusive) or `shares` tells of it. */
export interface Holder {
  readonly mode: Mode;
  readonly owner: string;
  readonly boot: string;
  readonly writtenMs: number;
  readonly first: bigint;
  readonly last: bigint;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly ttlMs: number;
  readonly renewals: number;
  readonly node: string;
  readonly metadata: string;
}

/** Where a row lies, for people and their tools. */
export interface Place {
  readonly path: string;
  readonly table: 'locks' | 'shares' | 'places';
  readonly name: string;
}

/** What `holder` reads; fences as text, because a number would round them beyond 2^53. */
export const holderColumns = {
  locks:
    'owner, boot, written, CAST(first AS TEXT) AS first, CAST(fence AS TEXT) AS last, since, until, ttl, renewals, node, metadata',
  shares:
    'owner, boot, written, CAST(first AS TEXT) AS first, CAST(last AS TEXT) AS last, since, until, ttl, renewals, node, metadata',
} as const;

export function parseHolder(row: Row, mode: Mode, at: Place): Holder {
  const holder: Holder = {
    mode,
    owner: text(row, 'owner', at),
    boot: text(row, 'boot', at),
    writtenMs: integer(row, 'written', at),
    first: fence(row, 'first', at),
    last: fence(row, 'last', at),
    sinceMs: integer(row, 'since', at),
    untilMs: integer(row, 'until', at),
    ttlMs: integer(row, 'ttl', at),
    renewals: integer(row, 'renewals', at),
    node: text(row, 'node', at),
    metadata: text(row, 'metadata', at),
  };
  const lengthMs = holder.untilMs - holder.writtenMs;
  if (lengthMs < 0 || lengthMs > limits.ttlMsMax * 2) throw corrupt(at, `"until" lies ${lengthMs} ms after "written"`);
  if (holder.first > holder.last) throw corrupt(at, 'its first fence is above its last');
  return holder;
}

export function text(row: Row, column: string, at: Place): string {
  const value = row[column];
  if (typeof value !== 'string' || value === '') throw corrupt(at, `"${column}" is no text`);
  return value;
}

export function integer(row: Row, column: string, at: Place): number {
  const value = row[column];
  if (!Number.isSafeInteger(value)) throw corrupt(at, `"${column}" is no integer`);
  return value as number;
}

export function fence(row: Row, column: string, at: Place): bigint {
  const value = row[column];
  if (typeof value !== 'string' || !/^\d{1,19}$/.test(value))
    throw corrupt(at, `the fence in "${column}" is no positive integer`);
  return BigInt(value);
}

/** What is kept of a process: a list, because it is stored with every hold. */
export function encodeNode(node: NodeIdentity, skewTicks: number): string {
  return JSON.stringify([node.host, node.pid, node.bootId, node.startedAt, node.nonce, skewTicks]);
}

export function parseNode(encoded: string, at: Place): Process {
  const value = parseJson(encoded, 'node', at);
  const [host, pid, bootId, startedAt, nonce, skewTicks] = Array.isArray(value) ? (value as unknown[]) : [];
  if (
    typeof host !== 'string' ||
    typeof pid !== 'number' ||
    typeof bootId !== 'string' ||
    typeof startedAt !== 'string' ||
    typeof nonce !== 'string' ||
    typeof skewTicks !== 'number'
  ) {
    throw corrupt(at, '"node" names no process');
  }
  return { node: { host, pid, bootId, startedAt, nonce }, skewTicks };
}

function parseMetadata(encoded: string, at: Place): Metadata {
  const value = parseJson(encoded, 'metadata', at);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt(at, '"metadata" is no object');
  return value as Metadata;
}

function parseJson(encoded: string, column: string, at: Place): unknown {
  try {
    return JSON.parse(encoded);
  } catch {
    throw corrupt(at, `"${column}" is no JSON`);
  }
}

export function corrupt(at: Place, what: string): BackendCorruptError {
  const quoted = at.name.replaceAll("'", "''");
  return new BackendCorruptError(
    `${locate(at)} in ${at.path} is damaged: ${what}. When nobody works under this lock, remove the row: sqlite3 ${at.path} "DELETE FROM ${at.table} WHERE name = '${quoted}'"`,
    { lock: decodeName(at.name) },
  );
}

function locate(at: Place): string {
  return `${basename(at.path)}: ${at.table}[${JSON.stringify(at.name)}]`;
}

export interface Shown {
  readonly nowMs: number;
  readonly alive: (process: Process, boot: string) => boolean | undefined;
}

export function holderRecord(holder: Holder, at: Place, shown: Shown): LockRecord {
  return {
    ...common(holder, at, shown),
    state: 'held',
    mode: holder.mode,
    fence: holder.last,
    ttlMs: holder.ttlMs,
    expiresInMs: Math.max(0, Math.min(holder.ttlMs, holder.untilMs - shown.nowMs)),
    renewals: holder.renewals,
  };
}

export function placeRecord(row: Row, at: Place, shown: Shown): LockRecord {
  const waiter = {
    owner: text(row, 'owner', at),
    boot: text(row, 'boot', at),
    sinceMs: integer(row, 'since', at),
    node: text(row, 'node', at),
    metadata: text(row, 'metadata', at),
  };
  const mode = row['mode'] === 'shared' ? 'shared' : 'exclusive';
  return { ...common(waiter, at, shown), state: 'waiting', mode, ttlMs: integer(row, 'ttl', at), renewals: 0 };
}

type Common = Pick<Holder, 'owner' | 'boot' | 'sinceMs' | 'node' | 'metadata'>;

function common(it: Common, at: Place, shown: Shown) {
  const process = parseNode(it.node, at);
  const alive = shown.alive(process, it.boot);
  return {
    name: decodeName(at.name),
    key: locate(at),
    ownerDigest: ownerDigest(it.owner),
    node: process.node,
    ...(alive === undefined ? {} : { alive }),
    sinceMs: Math.max(0, shown.nowMs - it.sinceMs),
    metadata: parseMetadata(it.metadata, at),
  };
}

/** The columns that an ask brings with it. */
export function askColumns(ask: Ask, skewTicks: number) {
  return {
    name: ask.name.encoded,
    owner: ask.owner,
    ttl: ask.ttlMs,
    node: nodeText(ask.node, skewTicks),
    metadata: metadataText(ask.metadata),
  };
}

/** The same object comes with every ask of an instance. */
const encodedNodes = new WeakMap<NodeIdentity, string>();

export function nodeText(node: NodeIdentity, skewTicks: number): string {
  let encoded = encodedNodes.get(node);
  if (encoded === undefined) {
    encoded = encodeNode(node, skewTicks);
    encodedNodes.set(node, encoded);
  }
  return encoded;
}

export function metadataText(metadata: Metadata): string {
  for (const _ in metadata) return JSON.stringify(metadata);
  return '{}';
}
