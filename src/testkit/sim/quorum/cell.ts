import type { Ask, LockRecord, RevokedBy } from '../../../core/backend.js';
import { ownerDigest } from '../../../core/clock.js';
import { limits } from '../../../core/limits.js';

/** A lock as it stands on one node. Times are the node's, fences are numbers as in its scripts. */
export interface Lock {
  readonly ask: Ask;
  readonly round: number;
  readonly first: number;
  readonly last: number;
  readonly sinceMs: number;
  readonly expiresMs: number;
}

/** An owner that must not come back. */
interface Tombstone {
  readonly untilMs: number;
  /** Ballots up to this round. */
  readonly upTo: number;
  readonly why: RevokedBy | undefined;
}

/** All that a node knows of one name. */
export interface Cell {
  lock: Lock | undefined;
  /** The last fence, and to which round of whom it went. It survives the lock. */
  fence: { readonly last: number; readonly owner: string; readonly round: number };
  readonly ended: Map<string, Tombstone>;
  /** Channels of those that were refused, in that order. */
  readonly waiting: Set<string>;
}

export function newCell(): Cell {
  return { lock: undefined, fence: { last: 0, owner: '', round: 0 }, ended: new Map(), waiting: new Set() };
}

/** As of one moment. What it knows is never changed in place, so it may be shared. */
export function copyOf(cell: Cell): Cell {
  return { ...cell, ended: new Map(cell.ended), waiting: new Set(cell.waiting) };
}

export function isEnded(cell: Cell, owner: string, round: number, nowMs: number): boolean {
  const tombstone = cell.ended.get(owner);
  return tombstone !== undefined && tombstone.untilMs > nowMs && round <= tombstone.upTo;
}

/** @param upTo the last round that must not come back; without it none may */
export function bury(cell: Cell, owner: string, nowMs: number, upTo?: number, why?: RevokedBy): void {
  for (const [buried, { untilMs }] of cell.ended) if (untilMs <= nowMs) cell.ended.delete(buried);
  const known = cell.ended.get(owner);
  cell.ended.set(owner, {
    untilMs: nowMs + limits.tombstoneMs,
    upTo: Math.max(upTo ?? Number.POSITIVE_INFINITY, known?.upTo ?? 0),
    why: why ?? known?.why,
  });
}

/** How the node shows it. */
export function recordOf({ ask, last, sinceMs, expiresMs }: Lock, nowMs: number): LockRecord {
  return {
    name: ask.name.text,
    key: ask.name.encoded,
    state: 'held',
    mode: ask.mode,
    ownerDigest: ownerDigest(ask.owner),
    node: ask.node,
    fence: BigInt(last),
    ttlMs: ask.ttlMs,
    expiresInMs: expiresMs - Math.floor(nowMs),
    sinceMs: Math.max(0, nowMs - sinceMs),
    metadata: ask.metadata,
  };
}
