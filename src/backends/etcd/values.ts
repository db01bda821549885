import type { Ask, Grant, LockRecord, Metadata } from '../../core/backend.js';
import { BackendCorruptError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { type NodeIdentity, nodeText } from '../../core/node.js';
import { digestOf, type KeyParts } from './keys.js';
import type { KeyValue } from './wire/messages.js';

// The texts that stand in etcd, as JSON. A place has no `epoch` and no `fences`.

interface Hold {
  readonly holdfast: 1;
  /** What the revision of the grant is added to: see `fences.ts`. */
  readonly epoch: number;
  readonly fences: number;
  readonly ttlMs: number;
  /** By the clock of the machine that asked: only shown. */
  readonly sinceMs: number;
  readonly node: NodeIdentity;
  readonly metadata: Metadata;
}

export function placeText(ask: Ask): string {
  return `{"holdfast":1,${restOf(ask)}`;
}

export function holdText(ask: Ask, epoch: number): string {
  return `{"holdfast":1,"epoch":${epoch},"fences":${ask.fences},${restOf(ask)}`;
}

function restOf({ ttlMs, node, metadata }: Ask): string {
  return `"ttlMs":${ttlMs},"sinceMs":${Date.now()},"node":${nodeText(node)},"metadata":${JSON.stringify(metadata)}}`;
}

/** Fences of one grant: what a revision is multiplied with. */
const perGrant = BigInt(limits.fencesPerGrantMax);

/**
 * The fences of the grant that was made by the transaction with this revision. Revisions rise with every transaction, of whichever
 * name, so those of one grant are all above those of every grant before it.
 */
export function fencesOf(epoch: number, revision: number, count: number): Grant['fences'] {
  const first = BigInt(epoch + revision) * perGrant;
  return { first, last: first + BigInt(count) - 1n };
}

/** @throws BackendCorruptError if it is not of this library */
export function fencesIn({ key, value, createRevision }: KeyValue): Grant['fences'] {
  const hold = parse(value);
  if (hold === undefined || !isGrant(hold)) {
    throw new BackendCorruptError(
      `the key ${key} holds something that this library did not write: find out who did, and delete it when nobody holds the lock`,
    );
  }
  return fencesOf(hold.epoch, createRevision, hold.fences);
}

export interface Left {
  readonly expiresInMs?: number;
}

export function lockRecord(kv: KeyValue, { name, kind, mode, id }: KeyParts, left: Left = {}): LockRecord {
  const hold = parse(kv.value);
  const common = { name, key: kv.key, state: kind === 'held' ? 'held' : 'waiting', mode, ownerDigest: digestOf(id) } as const;
  if (hold === undefined) return { ...common, ...unknownHolder, ...left };
  const { node, metadata, ttlMs, sinceMs } = hold;
  const who = { node, metadata, ttlMs, sinceMs: Math.max(0, Date.now() - sinceMs) };
  if (kind === 'queue') return { ...common, ...who };
  const last = isGrant(hold) ? fencesOf(hold.epoch, kv.createRevision, hold.fences).last : 0n;
  const expires = left.expiresInMs === undefined ? {} : { expiresInMs: Math.min(left.expiresInMs, ttlMs) };
  return { ...common, ...who, fence: last, ...expires };
}

/** Of a key that somebody else wrote there. It excludes others all the same. */
const unknownHolder = {
  node: { host: 'unknown', pid: 0, bootId: '', startedAt: '', nonce: '' },
  ttlMs: 0,
  sinceMs: 0,
  metadata: { foreign: true },
} as const;

/** Whether this library wrote it. */
export function isOurs({ value }: Pick<KeyValue, 'value'>): boolean {
  return parse(value) !== undefined;
}

function isGrant({ epoch, fences }: Hold): boolean {
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(fences);
}

function parse(value: string): Hold | undefined {
  if (!value.startsWith('{"holdfast":1,')) return undefined;
  try {
    const hold = JSON.parse(value) as Hold;
    return typeof hold.node === 'object' && Number.isFinite(hold.ttlMs) ? hold : undefined;
  } catch {
    return undefined;
  }
}
