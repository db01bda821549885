import type { LockRecord } from '../core/backend.js';
import { nodeId } from '../core/node.js';

type Shown = Omit<LockRecord, 'key' | 'ownerDigest'> & { readonly key?: string; readonly ownerDigest?: string };

/** A hold or a place as programs get it: every field always there, fences as strings, whole milliseconds. */
export function lockJson(record: Shown) {
  return {
    name: record.name,
    key: record.key ?? null,
    state: record.state,
    mode: record.mode,
    host: record.node.host,
    pid: record.node.pid,
    /** null: cannot be seen from this machine. */
    alive: record.alive ?? null,
    clientId: nodeId(record.node),
    ownerDigest: record.ownerDigest ?? null,
    fence: record.fence === undefined ? null : String(record.fence),
    ttlMs: record.ttlMs,
    expiresInMs: record.expiresInMs === undefined ? null : Math.round(record.expiresInMs),
    sinceMs: Math.round(record.sinceMs),
    /** null: the store does not count them. */
    renewals: record.renewals ?? null,
    metadata: record.metadata,
  };
}

export type { Shown };

/** One object on one line, so that several make NDJSON. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
