import type { Ask } from '../../core/backend.js';
import { BackendUnavailableError } from '../../core/errors.js';
import { type Context, lostEveryRace, triesMax } from './context.js';
import { type Ending, ending } from './endings.js';
import { type Change, free, isFree, isOwn, setAndRemove } from './expressions.js';
import { freeValues } from './granting.js';
import { type Ended, type Entry, entryOf, type OwnerMark, ownerMark, text } from './item.js';
import type { Trip } from './table.js';

export function abandon(context: Context, ask: Ask, timeoutMs: number): Promise<void> {
  return withdraw(context, ask, context.table.trip(timeoutMs));
}

/** In one write, whoever holds the name: the owner is noted as ended, and if it is the holder, the name is free. */
export async function withdraw(context: Context, ask: Ask, trip: Trip): Promise<void> {
  const { table, keys, sightings } = context;
  const key = keys.of(ask.name);
  const mark = ownerMark(ask.owner);
  const why: Ended = { kind: 'abandoned', reason: '', call: '', atMs: table.wallMs() };
  // Looked at first: an ask is mostly given up because the name is held.
  let entry = entryOf(key, await trip.get(key));
  for (let tries = 0; tries < triesMax; tries++) {
    const answer = await trip.update('withdrawing', key, withdrawal(context, mark, entry, ending(mark.digest, why, entry)));
    if (answer.done) {
      if (entry.hold?.owner === mark.hash) sightings.forget(key);
      return;
    }
    entry = entryOf(key, answer.item);
  }
  throw new BackendUnavailableError(lostEveryRace(ask.name));
}

function withdrawal({ table, settings }: Context, { hash }: OwnerMark, { hold }: Entry, { set, remove, values }: Ending): Change {
  if (hold === undefined || hold.owner === hash) {
    const when = hold === undefined ? isFree : isOwn;
    const own = hold === undefined ? {} : { ':held': text('held'), ':owner': text(hash) };
    return {
      update: setAndRemove([free.set, set], [free.remove, ...remove]),
      when,
      values: { ...freeValues(table, settings.retentionMs), ...own, ...values },
    };
  }
  // The version is the holder's, and stays: a change would look like a sign of life.
  return {
    update: setAndRemove([set], remove),
    when: '#lease_status = :held AND #owner <> :owner',
    values: { ':held': text('held'), ':owner': text(hash), ...values },
  };
}
