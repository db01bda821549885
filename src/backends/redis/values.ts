import type { Ask, LockRecord, Metadata, Mode } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import { type NodeIdentity, nodeText } from '../../core/node.js';
import type { Reply } from './driver.js';
import { list, number, text } from './replies.js';

// The texts that stand in Redis. A hold: {"holdfast":1,"owner":"…","first":"…","last":"…","sinceMs":…,"ttlMs":…,"node":{…},"metadata":{…}}

interface Hold {
  readonly owner: string;
  readonly last: string;
  readonly sinceMs: number;
  readonly ttlMs: number;
  readonly node: NodeIdentity;
  readonly metadata: Metadata;
}

/** Where a record lies, and when the server made the answer. */
export interface Place {
  readonly name: string;
  readonly key: string;
  readonly nowMs: number;
}

/** The end of a hold's or waiter's record: what the script does not know by itself. */
export function restOf({ ttlMs, node, metadata }: Ask): string {
  return `,"ttlMs":${ttlMs},"node":${nodeText(node)},"metadata":${JSON.stringify(metadata)}}`;
}

/** `reply`: mode, value, milliseconds left, as the scripts answer them. */
export function holderRecord(reply: Reply, place: Place): LockRecord {
  const [modeReply, valueReply, leftReply] = list(reply);
  const [mode, value, leftMs] = [text(modeReply) as Mode, text(valueReply), number(leftReply)];
  const hold = parseHold(value);
  const expires = leftMs < 0 ? {} : { expiresInMs: leftMs };
  if (hold === undefined) return { ...foreign(value, leftMs, place), mode, ...expires };
  return {
    name: place.name,
    key: place.key,
    state: 'held',
    mode,
    ownerDigest: ownerDigest(hold.owner),
    node: hold.node,
    fence: BigInt(hold.last),
    ttlMs: hold.ttlMs,
    ...expires,
    sinceMs: Math.max(0, place.nowMs - hold.sinceMs),
    metadata: hold.metadata,
  };
}

/** `record`: claim until, seen, since, channel, rest, parted by spaces. Undefined if its time is over or it is none of ours. */
export function waiterRecord(owner: string, mode: Mode, record: string, place: Place, placeMs: number): LockRecord | undefined {
  const match = /^\d+ (\d+) (\d+) \S+ ,(.*)$/s.exec(record);
  if (match === null || Number(match[1]) + placeMs <= place.nowMs) return undefined;
  const rest = parse(`{${match[3]}`) as Pick<Hold, 'ttlMs' | 'node' | 'metadata'> | undefined;
  if (rest === undefined) return undefined;
  return {
    name: place.name,
    key: place.key,
    state: 'waiting',
    mode,
    ownerDigest: ownerDigest(owner),
    node: rest.node,
    ttlMs: rest.ttlMs,
    sinceMs: Math.max(0, place.nowMs - Number(match[2])),
    metadata: rest.metadata,
  };
}

/** Whether a value was written by this library. */
export function isOurs(reply: Reply): boolean {
  return ownerIn(reply) !== undefined;
}

/** Whose hold it is; undefined of another library's lock. */
export function ownerIn(reply: Reply): string | undefined {
  return parseHold(text(list(reply)[1]))?.owner;
}

/** The same of a text. */
export function isWhole(value: string): boolean {
  return parseHold(value) !== undefined;
}

/** Another library's lock: all that can be known of its holder is how long it has left. */
function foreign(value: string, leftMs: number, { name, key }: Place) {
  return {
    name,
    key,
    state: 'held',
    ownerDigest: ownerDigest(value),
    node: { host: 'unknown', pid: 0, bootId: '', startedAt: '', nonce: '' },
    ttlMs: Math.max(0, leftMs),
    sinceMs: 0,
    metadata: { foreign: true },
  } as const;
}

function parseHold(value: string): Hold | undefined {
  if (!value.startsWith('{"holdfast":1,"owner":"')) return undefined;
  const hold = parse(value) as Partial<Hold> | undefined;
  const isWhole = typeof hold?.owner === 'string' && typeof hold.node === 'object' && /^\d+$/.test(hold.last ?? '');
  return isWhole ? (hold as Hold) : undefined;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
