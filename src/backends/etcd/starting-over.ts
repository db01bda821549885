import type { EpochKey } from './epoch.js';
import { txn } from './methods.js';
import type { Seat } from './seats.js';
import type { Store } from './store.js';

/**
 * The store is not what it was: it was restored from a backup, or is another one. What was just written there counts from an
 * epoch that is too low, and nobody has heard of it: it is taken back, and asked for again on a new epoch.
 */
export async function startOver(
  { rpc, epoch, leases }: Store,
  seat: Seat,
  written: readonly string[],
  old: EpochKey,
  timeoutMs: number,
): Promise<void> {
  // Until that is done, it is there.
  seat.uncertain = true;
  await rpc.call(txn, { compare: [], success: written.map((key) => ({ delete: { key } })), failure: [] }, timeoutMs);
  seat.place = undefined;
  seat.lease = undefined;
  seat.placeLease = undefined;
  leases.forgetAll();
  await epoch.renew(old, timeoutMs);
}
