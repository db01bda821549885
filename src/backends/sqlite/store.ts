import type { Ask, Grant, Held, Refusal, Release, Renewal, Revocation, Revoker } from '../../core/backend.js';
import { mintFences } from '../../core/fence.js';
import { limits } from '../../core/limits.js';
import type { Context } from './context.js';
import { end, endOf } from './ended.js';
import { Entry } from './entry.js';
import { askColumns, corrupt, fence, type Holder } from './rows.js';
import { dropOverPlaces, type Position, positionOf, removePlace, ringNext, takePlace } from './waiters.js';

// The thorough way of every operation, inside a transaction: the same rules as those of `backends/memory/store.ts`.

/** How soon the first in the queue looks whether the holder's process is still there: it may have been killed. */
const deadHolderPollMs = 250;
/** The same where no bell can be heard, so that a release is noticed by looking, too. */
const deafPollMs = 50;

const selectFloor = "SELECT CAST(value AS TEXT) AS value FROM meta WHERE key = 'fence_floor'";

export function acquire(context: Context, ask: Ask): Grant | Refusal {
  if (endOf(context, ask.owner) !== undefined) return { outcome: 'refused', because: 'abandoned', holders: [], ahead: 0 };
  const entry = Entry.load(context, ask.name.encoded);
  const mine = entry.holder(ask.owner);
  if (mine !== undefined) {
    entry.extend(mine, ask.ttlMs, mine.renewals);
    entry.save();
    return granted(mine);
  }
  if (entry.conflicts(ask.mode)) entry.removeDead();
  dropOverPlaces(context, entry);
  const held = entry.conflicts(ask.mode);
  const position = positionOf(context, entry, ask, !held);
  const answer = mayGo(context, entry, position, held)
    ? pass(context, entry, ask, position)
    : refuse(context, entry, ask, position, held);
  entry.save();
  ringNext(context, entry);
  return answer;
}

/** When those in front will have missed their claim windows. */
function turnAtMs(entry: Entry, position: Position): number {
  if (entry.held && position.count > 0) return Number.POSITIVE_INFINITY;
  return entry.freeSinceMs + position.count * limits.claimMs;
}

function mayGo(context: Context, entry: Entry, position: Position, held: boolean): boolean {
  return !held && (position.count === 0 || context.nowMs >= turnAtMs(entry, position));
}

/** Grants. Whoever is passed over missed its claim window and queues anew. */
function pass(context: Context, entry: Entry, ask: Ask, position: Position): Grant {
  if (position.seenMs !== undefined) removePlace(context, entry, ask.owner);
  for (const owner of position.owners) removePlace(context, entry, owner);
  return grant(context, entry, ask);
}

function refuse(context: Context, entry: Entry, ask: Ask, position: Position, held: boolean): Refusal {
  if (ask.enqueue) takePlace(context, entry, ask, position);
  const retryAtMs = held ? Math.min(...entry.holders().map((holder) => holder.untilMs)) : turnAtMs(entry, position);
  const pollMs = pollOf(context, position);
  const retryInMs = Math.min(Math.max(0, retryAtMs - context.nowMs), pollMs);
  return {
    outcome: 'refused',
    because: held ? 'held' : 'queued',
    holders: entry.records(),
    ahead: position.count,
    ...(Number.isFinite(retryInMs) ? { retryInMs } : {}),
  };
}

function pollOf(context: Context, position: Position): number {
  if (position.count > 1) return Number.POSITIVE_INFINITY;
  if (context.here.deaf()) return deafPollMs;
  return position.count === 0 ? deadHolderPollMs : Number.POSITIVE_INFINITY;
}

function grant(context: Context, entry: Entry, ask: Ask): Grant {
  const minted = mint(context, entry, ask.fences);
  entry.fence = minted.last;
  const { owner, ttl, node, metadata } = askColumns(ask, context.here.self.skewTicks);
  const holder: Holder = {
    mode: ask.mode,
    owner,
    boot: context.boot,
    writtenMs: context.nowMs,
    ...minted,
    sinceMs: context.nowMs,
    untilMs: context.untilMs(ttl),
    ttlMs: ttl,
    renewals: 0,
    node,
    metadata,
  };
  entry.put(holder);
  return granted(holder);
}

function mint(context: Context, entry: Entry, count: number): { first: bigint; last: bigint } {
  const at = { path: context.here.path, table: 'locks', name: entry.name } as const;
  const previous = entry.fence ?? floorOf(context);
  try {
    return mintFences(previous, BigInt(context.here.clock.wallUs()), count);
  } catch {
    throw corrupt(at, `its fence ${previous} leaves no room for another`);
  }
}

/** New rows start above it. */
export function floorOf(context: Context): bigint {
  const row = context.db.get(selectFloor);
  return row === undefined ? 0n : fence(row, 'value', { path: context.here.path, table: 'locks', name: '' });
}

function granted(holder: Pick<Holder, 'first' | 'last' | 'ttlMs'>): Grant {
  return { outcome: 'granted', fences: { first: holder.first, last: holder.last }, ttlMs: holder.ttlMs };
}

export function renew(context: Context, held: Held): Renewal {
  const entry = Entry.load(context, held.name.encoded);
  const mine = entry.holder(held.owner);
  if (mine !== undefined) entry.extend(mine, held.ttlMs, mine.renewals + 1);
  entry.save();
  ringNext(context, entry);
  if (mine !== undefined) return { outcome: 'renewed', ttlMs: held.ttlMs };
  return { outcome: entry.held ? 'not-yours' : 'gone', ...endOf(context, held.owner) };
}

export function release(context: Context, held: Held): Release {
  const entry = Entry.load(context, held.name.encoded);
  const mine = entry.holder(held.owner);
  if (mine !== undefined) entry.remove(mine, context.nowMs);
  entry.save();
  ringNext(context, entry);
  if (mine !== undefined) return 'released';
  return entry.held ? 'not-owner' : 'absent';
}

export function abandon(context: Context, ask: Ask): void {
  const entry = Entry.load(context, ask.name.encoded);
  const mine = entry.holder(ask.owner);
  if (mine !== undefined) entry.remove(mine, context.nowMs);
  removePlace(context, entry, ask.owner);
  end(context, ask.owner, undefined);
  entry.save();
  ringNext(context, entry);
}

export function revoke(context: Context, name: string, by: Revoker): Revocation {
  const entry = Entry.load(context, name);
  const { heir } = by;
  // A steal that was given up and arrives late robs nobody.
  if (heir !== undefined && endOf(context, heir.owner) !== undefined) return { ended: [] };
  const already = heir === undefined ? undefined : entry.holder(heir.owner);
  if (heir !== undefined && already !== undefined) {
    entry.extend(already, already.ttlMs, already.renewals);
    entry.save();
    return { ended: [], grant: granted(already) };
  }
  const ended = entry.records();
  if (by.ifFence !== undefined && !ended.some(({ fence }) => fence === by.ifFence)) return { ended: [] };
  for (const holder of entry.holders()) {
    end(context, holder.owner, by);
    entry.remove(holder, context.nowMs);
  }
  const given = heir === undefined ? undefined : grant(context, entry, heir);
  entry.save();
  ringNext(context, entry);
  return { ended, ...(given === undefined ? {} : { grant: given }) };
}
