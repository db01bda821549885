import type { Ask } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import type { Context } from './context.js';
import type { Row } from './driver.js';
import type { Entry } from './entry.js';
import { askColumns, integer, type Place, parseNode, text } from './rows.js';

const selectMine = 'SELECT place, seen FROM places WHERE name = :name AND owner = :owner';

const selectInFront = `
  SELECT owner, boot, node FROM places
  WHERE name = :name AND place < :place AND (:mode = 'exclusive' OR mode = 'exclusive')
  ORDER BY place`;

const countInFront = `
  SELECT count(*) AS n FROM places
  WHERE name = :name AND place < :place AND (:mode = 'exclusive' OR mode = 'exclusive')`;

const deletePlace = 'DELETE FROM places WHERE name = :name AND owner = :owner';

const whereOver = `WHERE name = :name AND (boot <> :boot OR seen <= :forgotten OR seen > :ahead)`;
const selectOver = `SELECT 1 FROM places ${whereOver} LIMIT 1`;
const deleteOver = `DELETE FROM places ${whereOver}`;

const insertPlace = `
  INSERT INTO places (name, place, owner, mode, boot, seen, since, ttl, bell, node, metadata)
  VALUES (:name, (SELECT coalesce(max(place), 0) + 1 FROM places WHERE name = :name),
    :owner, :mode, :boot, :now, :now, :ttl, :bell, :node, :metadata)`;

const refreshPlace = `
  UPDATE places SET seen = :now, ttl = :ttl, bell = :bell, metadata = :metadata
  WHERE name = :name AND owner = :owner`;

const selectHead = 'SELECT mode, bell FROM places WHERE name = :name ORDER BY place LIMIT 1';

const selectHeadRun = `
  SELECT bell FROM places
  WHERE name = :name AND place < coalesce((SELECT min(place) FROM places WHERE name = :name AND mode = 'exclusive'), :last)`;

const selectWatchers = `
  SELECT bell FROM watchers
  WHERE name = :name AND bell NOT IN (SELECT bell FROM places WHERE name = :name)`;

/** Larger than any place. */
const lastPlace = Number.MAX_SAFE_INTEGER;
/** A place that was asked for again is written down only this often: a crowd that waits must not write all the time. */
const refreshMs = limits.placeMs / 3;

export interface Position {
  /** Owners in front that the ask has to wait for. Empty where only their number was asked for. */
  readonly owners: readonly string[];
  readonly count: number;
  /** When this ask last wrote down its place; undefined if it has none. */
  readonly seenMs: number | undefined;
}

/** Takes out the places that nobody asked for any more. */
export function dropOverPlaces(context: Context, entry: Entry): void {
  const { db, boot, nowMs } = context;
  const bound = { name: entry.name, boot, forgotten: nowMs - limits.placeMs, ahead: nowMs + limits.placeMs };
  if (db.get(selectOver, bound) === undefined) return;
  db.run(deleteOver, bound);
  loosened(entry);
}

/** Where an ask stands. `thorough`: look whether those in front are still alive, and take out who is not. */
export function positionOf(context: Context, entry: Entry, ask: Ask, thorough: boolean): Position {
  const { name } = entry;
  const mine = context.db.get(selectMine, { name, owner: ask.owner });
  const at = placesAt(context, name);
  const bound = { name, place: mine === undefined ? lastPlace : integer(mine, 'place', at), mode: ask.mode };
  const seenMs = mine === undefined ? undefined : integer(mine, 'seen', at);
  if (!thorough) return { owners: [], count: Number(context.db.get(countInFront, bound)?.['n']), seenMs };
  const owners = context.db
    .all(selectInFront, bound)
    .filter((row) => !removeIfDead(context, entry, row))
    .map((row) => text(row, 'owner', at));
  return { owners, count: owners.length, seenMs };
}

function removeIfDead(context: Context, entry: Entry, row: Row): boolean {
  const at = placesAt(context, entry.name);
  if (context.alive(parseNode(text(row, 'node', at), at), text(row, 'boot', at)) !== false) return false;
  removePlace(context, entry, text(row, 'owner', at));
  return true;
}

export function removePlace(context: Context, entry: Entry, owner: string): void {
  if (context.db.run(deletePlace, { name: entry.name, owner }) > 0) loosened(entry);
}

function loosened(entry: Entry): void {
  entry.changed = true;
  entry.loosened = true;
}

export function takePlace(context: Context, entry: Entry, ask: Ask, position: Position): void {
  const { db, here, nowMs: now, boot } = context;
  const { seenMs } = position;
  if (seenMs !== undefined && now - seenMs < refreshMs) return;
  const { name, owner, ttl, node, metadata } = askColumns(ask, here.self.skewTicks);
  if (seenMs !== undefined) {
    db.run(refreshPlace, { name, owner, now, ttl, bell: here.bell, metadata });
    return;
  }
  db.run(insertPlace, { name, owner, mode: ask.mode, boot, now, ttl, bell: here.bell, node, metadata });
  entry.changed = true;
}

/** Wakes whoever may go next, once it is committed: nobody else, because each wake-up is a try. */
export function ringNext(context: Context, entry: Entry): void {
  if (!entry.loosened || entry.exclusive !== undefined) return;
  const { db, here } = context;
  const { name } = entry;
  const rows = [...nextPlaces(context, entry), ...db.all(selectWatchers, { name })];
  const bells = new Set(rows.map((row) => text(row, 'bell', placesAt(context, name))));
  context.after(() => here.ring(bells, name));
}

/** The first exclusive place, or the shared ones at the head. */
function nextPlaces({ db }: Context, entry: Entry): Row[] {
  const { name } = entry;
  const head = db.get(selectHead, { name });
  if (head === undefined || (head['mode'] === 'exclusive' && entry.held)) return [];
  return head['mode'] === 'exclusive' ? [head] : db.all(selectHeadRun, { name, last: lastPlace });
}

function placesAt(context: Context, name: string): Place {
  return { path: context.here.path, table: 'places', name };
}
