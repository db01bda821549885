import type { Ask, Held, Release, RevokedBy } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { verdictOf } from './errors.js';
import { idOf, type NameKeys } from './keys.js';
import { type KeyValue, lock, look, lookBelow, type Op, remove, removeAt, type TxnAnswer } from './ops.js';
import type { Store } from './store.js';
import { isReadersText, markText } from './values.js';
import { readView, type View, viewOf } from './view.js';

/** Somebody else may change the hold between a look and the step after it, but not for ever. */
const looksMax = 4;

/** Deletes the hold. Whoever waits for it is woken by that. */
export async function release(store: Store, held: Held): Promise<Release> {
  const { name, owner, mode, ttlMs } = held;
  const seat = store.seats.find(owner);
  const id = seat?.id ?? idOf(owner);
  const keys = store.keys.of(name);
  const key = mode === 'shared' ? keys.reader(id) : keys.lock;
  const timeoutMs = callTimeoutMs(store.commandTimeoutMs, ttlMs);
  const dueMs = store.rpc.ports.now().monotonicMs + timeoutMs;
  if (seat !== undefined) store.waiting.unwatch(seat);
  let own: Pick<KeyValue, 'key' | 'modifyIndex'> | undefined = seat?.hold;
  for (let looks = 0; looks <= looksMax; looks++) {
    const leftMs = Math.max(1, dueMs - store.rpc.ports.now().monotonicMs);
    if (own !== undefined && (await remove1(store, keys, own, id, seat?.uncertain === true, leftMs))) {
      if (seat !== undefined) store.seats.over(seat);
      return 'released';
    }
    const view = await readView(store, keys, id, leftMs);
    own = view.holders.find((holder) => holder.id === id && holder.kv.key === key)?.kv;
    if (own === undefined) {
      // An ask that was not answered may still come.
      if (seat?.uncertain === true) await withdraw(store, held, leftMs);
      if (seat !== undefined) store.seats.over(seat);
      return view.holders.length > 0 ? 'not-owner' : 'absent';
    }
  }
  throw new OutcomeUnknownError(`Consul: the hold on "${name.text}" changes too fast to be released: it is tried again`);
}

/** @param isLoose a copy of the ask may still be under way: it must find a mark */
async function remove1(
  store: Store,
  keys: NameKeys,
  own: Pick<KeyValue, 'key' | 'modifyIndex'>,
  id: string,
  isLoose: boolean,
  timeoutMs: number,
): Promise<boolean> {
  const isReader = own.key !== keys.lock;
  const ops = [...removeAt(own), ...(isReader ? [look(keys.lock), lookBelow(keys.readers)] : [])];
  const answer = isLoose
    ? await withMarks(store, timeoutMs, (session) => [...ops, ...markOps(store, id, session, undefined)])
    : await store.rpc.txn('releasing', ops, timeoutMs);
  if (!answer.ok) return false;
  // The comparison tells of the key that is gone by now.
  const left = answer.kvs.filter(({ key }) => key !== own.key);
  if (isReader) await tidy(store, viewOf(left, keys, store.keys, store.sightings, id), timeoutMs);
  return true;
}

/** The last reader takes away what writers stumble over. If that fails, somebody has come, or the next one sees that nobody holds. */
async function tidy(store: Store, view: View, timeoutMs: number): Promise<void> {
  const { lock: door, holders, places, line } = view;
  const ops: Op[] = [];
  if (door !== undefined && holders.length === 0 && isReadersText(door.value)) ops.push(...removeAt(door));
  if (line !== undefined && places.length === 0) ops.push(...removeAt(line));
  if (ops.length > 0) await store.rpc.txn('tidying', ops, timeoutMs).catch(() => undefined);
}

export async function abandon(store: Store, ask: Ask): Promise<void> {
  await withdraw(store, ask, callTimeoutMs(store.commandTimeoutMs, ask.ttlMs));
}

/** First a mark that its asks are refused for, then whatever the owner has: so nothing can come after it. */
export async function withdraw(store: Store, { name, owner }: Pick<Ask, 'name' | 'owner'>, timeoutMs: number): Promise<void> {
  const seat = store.seats.find(owner);
  const id = seat?.id ?? idOf(owner);
  const keys = store.keys.of(name);
  const dueMs = store.rpc.ports.now().monotonicMs + timeoutMs;
  if (seat !== undefined) store.waiting.unwatch(seat);
  const answer = await withMarks(store, timeoutMs, (session) => [
    ...markOps(store, id, session, undefined),
    remove(keys.place(id)),
    remove(keys.reader(id)),
    lookBelow(keys.base),
  ]);
  let view = viewOf(answer.ok ? answer.kvs : [], keys, store.keys, store.sightings, id);
  for (let looks = 0; looks <= looksMax; looks++) {
    const leftMs = Math.max(1, dueMs - store.rpc.ports.now().monotonicMs);
    const own = view.holders.find((holder) => holder.id === id)?.kv;
    if (own === undefined || (await store.rpc.txn('withdrawing', removeAt(own), leftMs)).ok) break;
    view = await readView(store, keys, id, leftMs);
  }
  await tidy(store, view, Math.max(1, dueMs - store.rpc.ports.now().monotonicMs));
  if (seat !== undefined) {
    seat.uncertain = false;
    store.seats.over(seat);
  }
}

/** A transaction that leaves marks, under a session that nobody renews: Consul deletes them some time after their time is over. */
export async function withMarks(store: Store, timeoutMs: number, ops: (session: string) => readonly Op[]): Promise<TxnAnswer> {
  for (let tries = 1; ; tries++) {
    const { id } = await store.sessions.current('mark', limits.tombstoneMs, timeoutMs);
    try {
      return await store.rpc.txn('withdrawing', ops(id), timeoutMs);
    } catch (error) {
      if (verdictOf(error) !== 'session-gone' || tries === 3) throw error;
      store.sessions.gone(id);
    }
  }
}

/** Why somebody must not come back; over what another session has locked, too. */
export function markOps(store: Store, id: string, session: string, by: RevokedBy | undefined): readonly Op[] {
  const key = store.keys.mark(id);
  return [remove(key), lock(key, session, markText(by))];
}
