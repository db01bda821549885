import { randomBytes } from 'node:crypto';
import type { Ask, Grant, LockRecord, Metadata, Mode, RevokedBy } from '../../core/backend.js';
import { BackendCorruptError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { NodeIdentity } from '../../core/node.js';
import type { KeyValue } from './ops.js';

// The texts that stand in Consul, as JSON. A place has no `epoch` and no `fences`.

export interface Text {
  readonly holdfast: 1;
  readonly id: string;
  readonly mode: Mode;
  /** Holds only: what the index of the grant is added to. */
  readonly epoch?: number;
  readonly fences?: number;
  /** One more with every sign of life: Consul gives a new index only to a value that differs. */
  readonly beat: number;
  readonly renewals: number;
  readonly ttlMs: number;
  /** By the clock of the machine that asked: only shown. */
  readonly sinceMs: number;
  readonly node: NodeIdentity;
  readonly metadata: Metadata;
}

export function placeText(ask: Ask, id: string): Text {
  const { mode, ttlMs, node, metadata } = ask;
  return { holdfast: 1, id, mode, beat: 0, renewals: 0, ttlMs, sinceMs: Date.now(), node, metadata };
}

export function holdText(ask: Ask, id: string, epoch: number): Text {
  return { ...placeText(ask, id), epoch, fences: ask.fences };
}

/** The same once more, as a sign of life. */
export function beaten(text: Text, renewals = 0): Text {
  return { ...text, beat: text.beat + 1, renewals: text.renewals + renewals };
}

/** Fences of one grant: what an index is multiplied with. */
const perGrant = BigInt(limits.fencesPerGrantMax);

/** Indexes rise with every write to the store, of whichever name, so the fences of a grant are all above those of every grant before it. */
export function fencesOf(epoch: number, index: number, count: number): Grant['fences'] {
  const first = BigInt(epoch + index) * perGrant;
  return { first, last: first + BigInt(count) - 1n };
}

/** A hold's key is made by the transaction that grants, and only changed after that. @throws BackendCorruptError */
export function fencesIn(kv: KeyValue): Grant['fences'] {
  const text = parseText(kv);
  if (text === undefined || !isGrant(text)) {
    throw new BackendCorruptError(
      `Consul: the key ${kv.key} holds something that this library did not write: find out who did, and delete it when nobody holds the lock`,
    );
  }
  return fencesOf(text.epoch, kv.createIndex, text.fences);
}

function isGrant(text: Text): text is Text & { readonly epoch: number; readonly fences: number } {
  return Number.isSafeInteger(text.epoch) && Number.isSafeInteger(text.fences);
}

export function parseText({ value }: KeyValue): Text | undefined {
  try {
    const text = JSON.parse(value) as Text;
    const isOurs = text.holdfast === 1 && typeof text.id === 'string' && Number.isFinite(text.ttlMs);
    return isOurs && typeof text.node === 'object' && Number.isFinite(text.beat) ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What stands at `lock` while readers hold: it differs each time, also from what the same reader wrote before, so that whoever has seen an older
 * one is refused. (Consul gives no new index to what does not differ.)
 */
export function readersText(id: string): string {
  return JSON.stringify({ holdfast: 1, readers: id, turn: turn() });
}

/** What stands at `line`, and differs each time as well. */
export function lineText(id: string): string {
  return `${id} ${turn()}`;
}

function turn(): string {
  return randomBytes(9).toString('base64url');
}

export function isReadersText(value: string): boolean {
  return value.startsWith('{"holdfast":1,"readers":');
}

/** Why an owner must not come back. */
export function markText(by: RevokedBy | undefined): string {
  return by === undefined ? '{}' : JSON.stringify({ kind: by.kind, reason: by.reason });
}

/** Undefined for one who gave up. Damage here must not reach the other holds of a batch. */
export function revokedBy({ value }: KeyValue): RevokedBy | undefined {
  try {
    const { kind, reason } = JSON.parse(value) as Partial<RevokedBy>;
    return kind === undefined || reason === undefined ? undefined : { kind, reason };
  } catch {
    return undefined;
  }
}

/** @param leftMs of a hold: what the observer knows of the time that is left */
export function lockRecord(name: string, kv: KeyValue, state: LockRecord['state'], leftMs?: number): LockRecord {
  const text = parseText(kv);
  const { key } = kv;
  if (text === undefined) return { name, key, state, mode: 'exclusive', ownerDigest: '000000000000', ...unknownHolder };
  const { id, mode, node, metadata, ttlMs } = text;
  const sinceMs = Math.max(0, Date.now() - text.sinceMs);
  const common = { name, key, state, mode, ownerDigest: id.slice(0, 12), node, metadata, ttlMs, sinceMs };
  if (state === 'waiting') return common;
  const expires = leftMs === undefined ? {} : { expiresInMs: Math.min(leftMs, ttlMs) };
  return { ...common, fence: isGrant(text) ? fencesIn(kv).last : 0n, renewals: text.renewals, ...expires };
}

/** Of a key that somebody else wrote there. It excludes others all the same. */
const unknownHolder = {
  node: { host: 'unknown', pid: 0, bootId: '', startedAt: '', nonce: '' },
  ttlMs: 0,
  sinceMs: 0,
  metadata: { foreign: true },
} as const;
