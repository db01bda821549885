import type { Held, Renewal } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { ClosedError, OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { idOf, type NameKeys } from './keys.js';
import { type KeyValue, look, lookBelow, opsMax, setAt } from './ops.js';
import type { Own, Seat } from './seats.js';
import type { Store } from './store.js';
import { beaten, isReadersText, parseText, revokedBy } from './values.js';

/** Transactions that are under way at the same time. */
const atOnce = 8;

/** A hold may be found to have been renewed by a copy whose answer was lost; then it is renewed upon that. */
const roundsMax = 4;

/** Of the time that core gives a batch: afterwards it would not hear of those that were renewed. */
const batchTimeRatio = 0.9;

/** One hold of a batch. */
interface Entry {
  readonly held: Held;
  readonly keys: NameKeys;
  readonly id: string;
  readonly key: string;
  readonly seat: Seat | undefined;
  own: Own | undefined;
  answer: Renewal | undefined;
}

/** Many holds, as many as a transaction takes at once: each is written anew upon its last version, by consensus. */
export async function renewAll(store: Store, holds: readonly Held[]): Promise<readonly Renewal[]> {
  const shortestMs = Math.min(...holds.map(({ ttlMs }) => ttlMs));
  const timeoutMs = callTimeoutMs(store.commandTimeoutMs, shortestMs, limits.renewTimeoutTtlRatioMax) * batchTimeRatio;
  const dueMs = store.rpc.ports.now().monotonicMs + timeoutMs;
  const entries = holds.map((held) => entryOf(store, held));
  await keepSessions(store, entries, timeoutMs);
  const portions = portionsOf(entries, opsMax);
  const work = portions.values();
  const run = async () => {
    for (const portion of work) await renewPortion(store, portion, dueMs);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, portions.length) }, run));
  return entries.map(({ answer }) => answer ?? { outcome: 'unknown', cause: unanswered() });
}

function entryOf(store: Store, held: Held): Entry {
  const seat = store.seats.find(held.owner);
  const id = seat?.id ?? idOf(held.owner);
  const keys = store.keys.of(held.name);
  const key = held.mode === 'shared' ? keys.reader(id) : keys.lock;
  return { held, keys, id, key, seat, own: seat?.hold, answer: undefined };
}

/** Before what they lock: a session that is gone has taken its holds with it, and that is found below. */
async function keepSessions(store: Store, entries: readonly Entry[], timeoutMs: number): Promise<void> {
  const used = new Set(entries.map(({ own }) => own?.session ?? ''));
  const keep = async (id: string) => {
    const session = store.sessions.byId(id);
    // Where this fails, the holds are renewed for as long as the session lasts.
    if (session !== undefined) await store.sessions.keep(session, timeoutMs / 2).catch(() => undefined);
  };
  await Promise.all([...used].map(keep));
}

async function renewPortion(store: Store, portion: readonly Entry[], dueMs: number): Promise<void> {
  try {
    await look1(
      store,
      portion.filter(({ own }) => own === undefined),
      dueMs,
    );
    for (let rounds = 1; rounds <= roundsMax; rounds++) {
      const open = portion.filter(({ answer }) => answer === undefined);
      if (open.length === 0) return;
      const failed = await write(store, open, dueMs);
      await look1(store, failed, dueMs);
    }
  } catch (cause) {
    if (cause instanceof ClosedError) throw cause;
    for (const entry of portion) entry.answer ??= { outcome: 'unknown', cause };
  }
}

/** @returns those that are not as they were last seen: because of them nothing was written */
async function write(store: Store, entries: readonly Entry[], dueMs: number): Promise<readonly Entry[]> {
  const nexts = entries.map(({ own }) => beaten((own as Own).text, 1));
  const ops = entries.map(({ key, own }, i) => setAt(key, (own as Own).modifyIndex, JSON.stringify(nexts[i])));
  const sentAt = store.rpc.ports.now();
  const answer = await store.rpc.txn('renewing', ops, left(store, dueMs));
  if (!answer.ok) return answer.failed.flatMap(({ op }) => entries[op] ?? []);
  const written = new Map(answer.kvs.map((kv) => [kv.key, kv]));
  for (const [i, entry] of entries.entries()) {
    const own = entry.own as Own;
    const session = store.sessions.byId(own.session);
    own.modifyIndex = written.get(entry.key)?.modifyIndex ?? own.modifyIndex;
    own.text = nexts[i] ?? own.text;
    const ttlMs = session === undefined ? entry.held.ttlMs : Math.floor(store.sessions.leftMs(session, sentAt));
    entry.answer = ttlMs > 0 ? { outcome: 'renewed', ttlMs: Math.min(entry.held.ttlMs, ttlMs) } : undefined;
    if (entry.answer === undefined) entry.answer = { outcome: 'unknown', cause: unanswered() };
  }
  return [];
}

/** What stands there now: the hold in another version, somebody else's, or nothing; and who ended it. */
async function look1(store: Store, entries: readonly Entry[], dueMs: number): Promise<void> {
  const each = Math.floor(opsMax / 4);
  for (const portion of portionsOf(entries, each)) {
    const ops = portion.flatMap(({ keys, key, id }) => [
      look(key),
      look(keys.lock),
      lookBelow(keys.readers),
      look(store.keys.mark(id)),
    ]);
    const answer = await store.rpc.txn('looking', ops, left(store, dueMs));
    const found = answer.ok ? answer.kvs : [];
    const byKey = new Map(found.map((kv) => [kv.key, kv]));
    for (const entry of portion) settle(store, entry, byKey, found);
  }
}

function settle(store: Store, entry: Entry, byKey: ReadonlyMap<string, KeyValue>, found: readonly KeyValue[]): void {
  const { key, keys, id, seat } = entry;
  const kv = byKey.get(key);
  const text = kv === undefined ? undefined : parseText(kv);
  if (kv !== undefined && text?.id === id) {
    entry.own = { key, modifyIndex: kv.modifyIndex, session: kv.session, text };
    if (seat !== undefined) seat.hold = entry.own;
    return;
  }
  const door = byKey.get(keys.lock);
  const isTaken = (door !== undefined && !isReadersText(door.value)) || found.some((one) => one.key.startsWith(keys.readers));
  const mark = byKey.get(store.keys.mark(id));
  const by = mark === undefined ? undefined : revokedBy(mark);
  entry.answer = { outcome: isTaken ? 'not-yours' : 'gone', ...(by === undefined ? {} : { by }) };
  if (seat?.hold !== undefined && !seat.uncertain) store.seats.over(seat);
}

function portionsOf<T>(all: readonly T[], each: number): readonly (readonly T[])[] {
  const portions: (readonly T[])[] = [];
  for (let i = 0; i < all.length; i += each) portions.push(all.slice(i, i + each));
  return portions;
}

function left(store: Store, dueMs: number): number {
  return Math.max(1, dueMs - store.rpc.ports.now().monotonicMs);
}

function unanswered(): OutcomeUnknownError {
  return new OutcomeUnknownError('Consul: a lease or its session was not renewed in time: it is tried again');
}
