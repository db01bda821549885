import { randomBytes } from 'node:crypto';
import type { Ask, LockRecord, Revocation, Revoker } from '../../core/backend.js';
import { BackendUnavailableError } from '../../core/errors.js';
import type { LockName } from '../../core/name.js';
import { type Context, lostEveryRace, triesMax } from './context.js';
import { ending } from './endings.js';
import { free, isSeen, setAndRemove } from './expressions.js';
import { confirm, freeValues, type Granting, grantFree, grantInstead, seenValues } from './granting.js';
import { type Ended, type Entry, entryOf, ownerMark, recordOf } from './item.js';

/** A look, for the name of the attribute in which the holder is told why; then one write that ends exactly that hold. */
export async function revoke(context: Context, name: LockName, by: Revoker, timeoutMs: number): Promise<Revocation> {
  const { table, keys, sightings } = context;
  const trip = table.trip(timeoutMs);
  const key = keys.of(name);
  const call = randomBytes(9).toString('base64url');
  const why: Ended = { kind: by.kind, reason: by.reason, call, atMs: table.wallMs() };
  let entry = entryOf(key, await trip.get(key));
  /** The hold that the last write was to end. */
  let victim: Entry | undefined;
  for (let tries = 0; tries < triesMax; tries++) {
    const wasUs = victim?.hold !== undefined && entry.ended.get(victim.hold.owner.slice(0, 12))?.call === call;
    const done = wasUs ? recordsOf(context, name, victim) : [];
    const next = by.heir === undefined ? end(context, entry, why, wasUs, by.ifFence) : inherit(context, by.heir, entry, why);
    if (next === undefined) return { ended: done };
    const answer = await trip.update('revoking', key, next.change);
    if (answer.done) {
      sightings.forget(key);
      const ended = [...done, ...(next.ends ? recordsOf(context, name, entry) : [])];
      return { ended, ...(next.grant === undefined ? {} : { grant: next.grant }) };
    }
    if (next.ends) victim = entry;
    entry = entryOf(key, answer.item);
  }
  throw new BackendUnavailableError(lostEveryRace(name));
}

interface Step {
  readonly change: Granting['change'];
  readonly grant?: Granting['grant'];
  /** Whether it ends the hold that was seen. */
  readonly ends: boolean;
}

function end({ table, settings }: Context, entry: Entry, why: Ended, isDone: boolean, ifFence?: bigint): Step | undefined {
  if (entry.hold === undefined || isDone || (ifFence !== undefined && entry.fence !== ifFence)) return undefined;
  const { set, remove, values } = ending(entry.hold.owner.slice(0, 12), why, entry);
  const change = {
    update: setAndRemove([free.set, set], [free.remove, ...remove]),
    when: isSeen,
    values: { ...freeValues(table, settings.retentionMs), ...seenValues(entry), ...values },
  };
  return { change, ends: true };
}

/** Undefined for an heir that was given up: it robs nobody. */
function inherit({ table }: Context, heir: Ask, entry: Entry, why: Ended): Step | undefined {
  const mark = ownerMark(heir.owner);
  if (entry.ended.has(mark.digest)) return undefined;
  const { hold } = entry;
  if (hold === undefined) return { ...grantFree(table, heir, mark, entry.fence), ends: false };
  if (hold.owner === mark.hash) return { ...confirm(table, heir, mark, entry), ends: false };
  return { ...grantInstead(table, heir, mark, entry, ending(hold.owner.slice(0, 12), why, entry)), ends: true };
}

function recordsOf({ table }: Context, name: LockName, entry: Entry | undefined): readonly LockRecord[] {
  if (entry?.hold === undefined) return [];
  const { expiresInMs: _, ...record } = recordOf(name.text, entry, entry.hold, 0, table.wallMs());
  return [record];
}
