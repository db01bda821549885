import type { LockEvent, LockEvents } from '../../core/events.js';

/** What records are written for. `handed-over`: a turn ended, and another caller of this process has the next one under the same grant. */
export type LogEvent = 'granted' | 'renewed' | 'handed-over' | 'released' | 'lost' | 'revoked';

/** A record, as JSON can hold it: fences are texts, since they pass 2^53. Fields are there as they apply. */
export interface LogRecord {
  readonly event: LogEvent;
  readonly node_id: string;
  /** The name of the lock. */
  readonly lock_id: string;
  readonly mode: string;
  /** A digest: the owner itself is a secret. */
  readonly owner?: string | undefined;
  readonly fencing_token?: string | undefined;
  /** First fence of the grant: turns that share a grant share it. */
  readonly lease_generation?: string | undefined;
  readonly ttl_ms?: number | undefined;
  /** ISO 8601, by this machine's clock. */
  readonly acquired_at?: string | undefined;
  readonly renewal_count?: number | undefined;
  readonly waited_ms?: number | undefined;
  readonly held_ms?: number | undefined;
  readonly loss?: string | undefined;
  readonly reason?: string | undefined;
  /** What the store found at the release. */
  readonly outcome?: string | undefined;
}

/** What a record is made from. */
export type Recorded = LockEvent &
  Partial<Pick<LockEvents['lost'], 'loss' | 'reason'>> &
  Partial<Pick<LockEvents['released'], 'outcome'>>;

export function recordOf(type: LogEvent, event: Recorded): LogRecord {
  const { acquiredAt, fence, leaseGeneration } = event;
  // What does not apply is undefined, which JSON leaves out.
  return {
    event: type,
    node_id: event.node,
    lock_id: event.name,
    mode: event.mode,
    owner: event.owner,
    fencing_token: fence?.toString(),
    lease_generation: leaseGeneration?.toString(),
    ttl_ms: event.ttlMs,
    acquired_at: acquiredAt === undefined ? undefined : new Date(acquiredAt).toISOString(),
    renewal_count: event.renewalCount,
    waited_ms: rounded(event.waitedMs),
    held_ms: rounded(event.heldMs),
    loss: event.loss,
    reason: event.reason,
    outcome: event.outcome,
  };
}

/** To microseconds: the clock shows digits beyond what it measures. */
function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 1_000) / 1_000;
}
