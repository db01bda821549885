import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import type { Ask, LockRecord, Metadata, RevokedBy } from '../../core/backend.js';
import { BackendCorruptError } from '../../core/errors.js';
import { fenceMax } from '../../core/fence.js';
import { limits } from '../../core/limits.js';
import { type NodeIdentity, nodeText } from '../../core/node.js';
import { long, type Stat } from './client.js';
import { type Child, digestOf, Paths } from './paths.js';

/** What is written into the node of a hold or a place: whatever its name does not say. */
interface Written {
  readonly holdfast: 1;
  readonly fences: number;
  readonly ttlMs: number;
  readonly node: NodeIdentity;
  readonly metadata: Metadata;
  /** Of the grant, where the node was made anew since. */
  readonly zxid?: string;
}

/** A hold or a place as it was read once: nothing of it changes. */
export interface Known extends Omit<Written, 'zxid'> {
  readonly madeAtMs: number;
  /** Of the transaction that granted. */
  readonly zxid: bigint;
}

/** `Written`, as JSON. */
export function dataOf({ fences, ttlMs, node, metadata }: Ask): Buffer {
  return Buffer.from(
    `{"holdfast":1,"fences":${fences},"ttlMs":${ttlMs},"node":${nodeText(node)},"metadata":${JSON.stringify(metadata)}}`,
  );
}

/** For a node that takes another's place. */
export function dataAgain({ fences, ttlMs, node, metadata, zxid }: Known): Buffer {
  return Buffer.from(JSON.stringify({ holdfast: 1, fences, ttlMs, node, metadata, zxid: String(zxid) } satisfies Written));
}

/** @throws what says that this library did not write it */
function parse(data: Buffer): Written {
  const written = JSON.parse(data.toString()) as Written;
  if (written.holdfast !== 1 || !(written.fences >= 1) || !(written.ttlMs > 0)) throw new TypeError('other fields');
  return written;
}

export function isOurs(data: Buffer): boolean {
  try {
    return parse(data).holdfast === 1;
  } catch {
    return false;
  }
}

/** @throws BackendCorruptError */
export function knownOf(data: Buffer, stat: Stat, path: string): Known {
  try {
    const written = parse(data);
    return {
      ...written,
      madeAtMs: Number(long(stat.ctime)),
      zxid: written.zxid === undefined ? long(stat.czxid) : BigInt(written.zxid),
    };
  } catch (cause) {
    throw new BackendCorruptError(
      `the node ${path} holds nothing that Holdfast wrote: find out who did, and delete it when nobody holds the lock`,
      { cause },
    );
  }
}

/** Each transaction has so many fences to itself, so that no grant can reach into the next one's. */
export const fencesPerTransaction = BigInt(limits.fencesPerGrantMax);

/**
 * The fences of a grant, from the number of the transaction that made its node: no counter is kept, and none can be lost.
 *
 * @throws BackendCorruptError after four million elections of a leader, which no ensemble lives to see
 */
export function fencesOf(zxid: bigint, count: number): { readonly first: bigint; readonly last: bigint } {
  const first = zxid * fencesPerTransaction;
  const last = first + BigInt(count) - 1n;
  if (last > fenceMax) throw new BackendCorruptError(`the transaction ${zxid} is too high for a fence: begin a new ensemble`);
  return { first, last };
}

/** The leader's clock, as far as it has been seen: only ever shown, never compared. */
export class StoreClock {
  #aheadMs = Date.now() - performance.now();

  seen(stat: Stat): void {
    this.#aheadMs = Number(long(stat.mtime)) - performance.now();
  }

  nowMs(): number {
    return performance.now() + this.#aheadMs;
  }
}

export function recordOf(
  parent: string,
  child: Child,
  known: Known,
  held: { expiresInMs: number } | undefined,
  nowMs: number,
): LockRecord {
  const segment = parent.slice(parent.lastIndexOf('/') + 1);
  return {
    name: Paths.nameOf(segment),
    key: `${parent}/${child.node}`,
    state: held === undefined ? 'waiting' : 'held',
    mode: child.mode,
    ownerDigest: digestOf(child.id),
    node: known.node,
    ...(held === undefined ? {} : { fence: fencesOf(known.zxid, known.fences).last, expiresInMs: held.expiresInMs }),
    ttlMs: known.ttlMs,
    sinceMs: Math.max(0, nowMs - known.madeAtMs),
    metadata: known.metadata,
  };
}

export function reasonData({ kind, reason }: RevokedBy): Buffer {
  return Buffer.from(JSON.stringify({ kind, reason }));
}

/** What is only told to people must not fail a renewal. */
export function reasonOf(data: Buffer): RevokedBy | undefined {
  try {
    const { kind, reason } = JSON.parse(data.toString()) as RevokedBy;
    return kind === 'revoked' || kind === 'stolen' ? { kind, reason: String(reason) } : undefined;
  } catch {
    return undefined;
  }
}
