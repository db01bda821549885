import type { Ask, Grant, Refusal } from '../../core/backend.js';
import { withdraw } from './abandoning.js';
import type { Context } from './context.js';
import { confirm, type Granting, grantFree, grantOver } from './granting.js';
import { type Entry, entryOf, type OwnerMark, ownerMark, recordOf } from './item.js';
import type { Trip } from './table.js';

/** Between a look and the write that follows it the name may change hands. Then it is looked at again, so often. */
const stepsMax = 5;

/**
 * One write, if the name is free. If it is not, the refused write brings what stands there. A waiter that saw
 * somebody hold it looks first: reads cost a fifth, and do not use up the writes that the holder needs for its renewals.
 */
export async function acquire(context: Context, ask: Ask, timeoutMs: number): Promise<Grant | Refusal> {
  const { table, keys, sightings } = context;
  const trip = table.trip(timeoutMs);
  const key = keys.of(ask.name);
  const mark = ownerMark(ask.owner);
  let entry = sightings.wasHeld(key) ? entryOf(key, await trip.get(key)) : undefined;
  let resent = false;
  for (let steps = 0; steps < stepsMax; steps++) {
    const next = entry === undefined ? grantFree(table, ask, mark, 0n) : decide(context, ask, mark, entry);
    if ('outcome' in next) return refuse(context, ask, trip, resent, next);
    const answer = await trip.update('asking', key, next.change);
    if (answer.done) {
      sightings.forget(key);
      return next.grant;
    }
    resent ||= answer.resent;
    entry = entryOf(key, answer.item);
  }
  // Others take it and give it back between our steps.
  const holders = holdersOf(context, ask, entry);
  return refuse(context, ask, trip, resent, { outcome: 'refused', because: 'held', holders, ahead: 0, retryInMs: 0 });
}

/**
 * After a refusal nobody withdraws the ask. Where the SDK has sent it twice, the copy that got no answer may still be under
 * way, and would find the name free one day: so this owner is ended here, and whoever waits goes on under a new one.
 */
async function refuse(context: Context, ask: Ask, trip: Trip, resent: boolean, refusal: Refusal): Promise<Refusal> {
  if (resent && refusal.because !== 'abandoned') await withdraw(context, ask, trip);
  return refusal;
}

function decide(context: Context, ask: Ask, mark: OwnerMark, entry: Entry): Granting | Refusal {
  const { table, sightings } = context;
  const { hold } = entry;
  if (entry.ended.has(mark.digest)) {
    return { outcome: 'refused', because: 'abandoned', holders: holdersOf(context, ask, entry), ahead: 0 };
  }
  if (hold === undefined) {
    sightings.forget(entry.key);
    return grantFree(table, ask, mark, entry.fence);
  }
  if (hold.owner === mark.hash) return confirm(table, ask, mark, entry);
  const leftMs = sightings.look(entry, hold);
  if (leftMs === 0) return grantOver(table, ask, mark, entry);
  const holders = [recordOf(ask.name.text, entry, hold, leftMs, table.wallMs())];
  return { outcome: 'refused', because: 'held', holders, ahead: 0, retryInMs: leftMs };
}

function holdersOf({ table, sightings }: Context, { name }: Ask, entry: Entry | undefined): Refusal['holders'] {
  if (entry?.hold === undefined) return [];
  return [recordOf(name.text, entry, entry.hold, sightings.look(entry, entry.hold), table.wallMs())];
}
