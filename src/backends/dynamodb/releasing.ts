import type { Held, Release } from '../../core/backend.js';
import { BackendUnavailableError } from '../../core/errors.js';
import { type Context, lostEveryRace, triesMax } from './context.js';
import { free, isOwn, setAndRemove } from './expressions.js';
import { freeValues } from './granting.js';
import { entryOf, ownerMark, text } from './item.js';

/** Compare and let go. The item stays, with the last fence. */
export async function release({ table, keys, sightings, settings }: Context, held: Held, timeoutMs: number): Promise<Release> {
  const trip = table.trip(timeoutMs);
  const key = keys.of(held.name);
  const { hash } = ownerMark(held.owner);
  const change = {
    update: setAndRemove([free.set, '#last_owner = :owner'], [free.remove]),
    when: isOwn,
    values: { ...freeValues(table, settings.retentionMs), ':held': text('held'), ':owner': text(hash) },
  };
  for (let tries = 0; tries < triesMax; tries++) {
    const answer = await trip.update('releasing', key, change);
    sightings.forget(key);
    if (answer.done) return 'released';
    const { hold, lastOwner } = entryOf(key, answer.item);
    // Else it has become ours between the write and the look.
    if (hold?.owner === hash) continue;
    if (hold !== undefined) return 'not-owner';
    // Was it us? The SDK sends again what got no answer.
    return answer.resent && lastOwner === hash ? 'released' : 'absent';
  }
  throw new BackendUnavailableError(lostEveryRace(held.name));
}
