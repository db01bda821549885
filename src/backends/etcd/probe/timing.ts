import type { Finding } from '../../../core/backend.js';
import { verdictOf } from '../errors.js';
import { range } from '../methods.js';
import type { Store } from '../store.js';

/** A third of the default TTL goes by between two renewals: more than a tenth of that is a sign. */
const slowMs = 250;
const tries = 3;

/** How long a read that a majority decides takes, one that it does not, and a renewal. */
export async function timing({ rpc, keys, leases, keepAlives, commandTimeoutMs }: Store): Promise<readonly Finding[]> {
  const decidedMs = await fastest(async () => void (await rpc.call(range, { key: keys.epoch }, commandTimeoutMs)));
  const localMs = await fastest(
    async () => void (await rpc.call(range, { key: keys.epoch, serializable: true }, commandTimeoutMs)),
  );
  const found: Finding[] = [];
  if (decidedMs > slowMs) {
    found.push({
      severity: 'warning',
      what: `a read that a majority decides takes ${Math.round(decidedMs)} ms; one that asks a member alone, ${Math.round(localMs)} ms`,
      why: 'each ask and each renewal needs the majority: short leases are lost when that is slow',
      fix: 'use longer TTLs; look at the network between the members and at their disks: etcd_disk_wal_fsync_duration_seconds',
    });
  }
  try {
    const lease = await leases.take(1, commandTimeoutMs);
    const shortestMs = lease.ttlMs;
    const renewedMs = await fastest(async () => void (await keepAlives.renew([lease.id], commandTimeoutMs)));
    leases.revoke(lease);
    if (renewedMs > slowMs) found.push(slowRenewals(renewedMs));
    if (shortestMs > 1_000) found.push(longLeases(shortestMs));
  } catch (error) {
    // What the alarm is for.
    if (verdictOf(error) !== 'full' && !/space exceeded/.test(String(error))) throw error;
  }
  return found;
}

function slowRenewals(ms: number): Finding {
  return {
    severity: 'warning',
    what: `a lease is renewed in ${Math.round(ms)} ms`,
    why: 'renewals go to the leader: when that is slow, leases are lost although nobody is away',
    fix: 'look at what the leader is busy with: large reads of others, thousands of leases, its disk',
  };
}

function longLeases(ms: number): Finding {
  return {
    severity: 'info',
    what: `no lease ends in less than ${ms / 1_000} s here`,
    why: 'members raise what is shorter than one and a half of their election timeouts: a crashed holder with a shorter TTL costs as much',
    fix: 'nothing, if that is short enough; else a shorter --election-timeout, where the network allows it',
  };
}

async function fastest(run: () => Promise<void>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i++) {
    const beganMs = performance.now();
    await run();
    best = Math.min(best, performance.now() - beganMs);
  }
  return best;
}
