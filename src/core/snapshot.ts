import type { LockRecord } from './backend.js';
import { ownerDigest, type Ports } from './clock.js';
import { type NodeIdentity, nodeId } from './node.js';
import type { NameQueue } from './queue.js';

/** The specification's `LockInfo`, with what the store shows besides. */
export interface LockInfo extends Omit<LockRecord, 'key' | 'ownerDigest'> {
  readonly clientId: string;
  /** Absent for a request of this instance that waits behind others of this process. */
  readonly ownerDigest?: string;
  /** Where it lies in the store; absent for this instance's own, which are known first hand. */
  readonly key?: string;
}

export interface LockSnapshot {
  readonly held: LockInfo[];
  readonly pending: LockInfo[];
}

/** Others' requests as the store shows them; our own as we know them, so that none made before is missing. */
export function snapshot(
  records: readonly LockRecord[],
  queues: Iterable<NameQueue>,
  node: NodeIdentity,
  now: Ports,
): LockSnapshot {
  const result: LockSnapshot = { held: [], pending: [] };
  for (const record of records) {
    if (record.node.nonce === node.nonce) continue;
    (record.state === 'held' ? result.held : result.pending).push({ ...record, clientId: nodeId(record.node) });
  }
  for (const queue of queues) addOwn(result, queue, node, now);
  return result;
}

function addOwn(result: LockSnapshot, queue: NameQueue, node: NodeIdentity, ports: Ports): void {
  const common = { name: queue.name.text, node, alive: true, clientId: nodeId(node) } as const;
  const now = ports.now();
  for (const { hold, turns } of queue.servings) {
    if (!hold.tick()) continue;
    const { ttlMs, owner } = hold.held;
    for (const turn of turns) {
      result.held.push({
        ...common,
        state: 'held',
        mode: turn.mode,
        ownerDigest: ownerDigest(owner),
        fence: turn.mintedFence,
        ttlMs,
        expiresInMs: hold.remainingMs(now),
        sinceMs: turn.heldMs,
        renewals: hold.renewals,
        metadata: hold.granted.ask.metadata,
      });
    }
  }
  for (const { settings, enqueuedAt } of queue.waiting) {
    const { mode, ttlMs, metadata } = settings;
    const sinceMs = now.monotonicMs - enqueuedAt.monotonicMs;
    result.pending.push({ ...common, state: 'waiting', mode, ttlMs, sinceMs, renewals: 0, metadata });
  }
}
