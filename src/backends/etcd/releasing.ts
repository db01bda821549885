import type { Ask, Held, Release } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { limits } from '../../core/limits.js';
import { isPresent } from './compares.js';
import { saidBy, verdictOf } from './errors.js';
import { idOf } from './keys.js';
import { txn } from './methods.js';
import type { Store } from './store.js';
import type { Op } from './wire/messages.js';

/** Deletes the hold, with its place in the queue: whoever is behind it is woken by that. */
export async function release(store: Store, { name, owner, mode, ttlMs }: Held): Promise<Release> {
  const seat = store.seats.find(owner);
  const id = seat?.id ?? idOf(owner);
  const keys = store.keys.of(name);
  const own = keys.hold(mode, id);
  // As far as is known here, it never waited.
  const never = seat !== undefined && seat.place === undefined && !seat.uncertain;
  const place: readonly Op[] = never ? [] : [{ delete: { key: keys.place(mode, id) } }];
  if (seat !== undefined) store.waiting.unwatch(seat);
  const { succeeded, responses } = await store.rpc.call(
    txn,
    {
      compare: [isPresent(own)],
      success: [{ delete: { key: own } }, ...place],
      failure: [{ range: { ...keys.held, limit: 1, keysOnly: true } }],
    },
    callTimeoutMs(store.commandTimeoutMs, ttlMs),
  );
  if (seat !== undefined) {
    // Somebody else ended it: its place may still be there, under its lease.
    if (!succeeded) seat.uncertain = true;
    store.seats.over(seat);
  }
  if (succeeded) return 'released';
  return responses[0]?.range?.kvs.length === 1 ? 'not-owner' : 'absent';
}

/** Deletes what the owner has, and leaves a mark that its asks are refused for. */
export async function abandon(store: Store, { name, owner, mode, ttlMs }: Ask): Promise<void> {
  const seat = store.seats.find(owner);
  const id = seat?.id ?? idOf(owner);
  const keys = store.keys.of(name);
  if (seat !== undefined) store.waiting.unwatch(seat);
  const timeoutMs = callTimeoutMs(store.commandTimeoutMs, ttlMs);
  const deletions: readonly Op[] = [{ delete: { key: keys.hold(mode, id) } }, { delete: { key: keys.place(mode, id) } }];
  await withMarks(store, timeoutMs, (lease) => [...deletions, { put: { key: keys.mark(id), value: '', lease } }], deletions);
  if (seat !== undefined) store.seats.over(seat);
}

/** @param whenFull what is done in a cluster whose database is full: it takes no marks, and no asks that they would refuse either */
export async function withMarks(
  store: Store,
  timeoutMs: number,
  ops: (lease: number) => readonly Op[],
  whenFull: readonly Op[],
): Promise<void> {
  const run = (success: readonly Op[]) => store.rpc.call(txn, { compare: [], success, failure: [] }, timeoutMs);
  for (let tries = 1; ; tries++) {
    try {
      const { id } = await store.leases.shared(limits.tombstoneMs, timeoutMs);
      await run(ops(id));
      return;
    } catch (error) {
      if (isFull(error)) {
        await run(whenFull);
        return;
      }
      if (verdictOf(error) !== 'lease-gone' || tries === 2) throw error;
      store.leases.forgetShared(limits.tombstoneMs);
    }
  }
}

export function isFull(error: unknown): boolean {
  const { cause } = Object(error) as { readonly cause?: unknown };
  return verdictOf(error) === 'full' || (cause !== undefined && /database space exceeded/.test(saidBy(cause)));
}
