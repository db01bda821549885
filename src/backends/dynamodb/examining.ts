import type { Examination, Rival } from '../../core/examination.js';
import { otherLetters, rivalOf, seenTwice } from '../../core/examining.js';
import type { LockName } from '../../core/name.js';
import type { Context } from './context.js';
import { foreignLock } from './foreign.js';
import { entryOf, recordOf } from './item.js';
import type { Trip } from './table.js';

/**
 * Items of other lock clients under our key and under the bare name, and the same name in other letters. There is no queue, so nobody is
 * waited for.
 *
 * @throws BackendUnavailableError, OutcomeUnknownError, NotSupportedError
 */
export function examine(context: Context, name: LockName): Promise<Examination> {
  const { table, keys, settings } = context;
  return seenTwice(table.ports, async () => {
    const trip = table.trip(settings.commandTimeoutMs);
    const ours = keys.of(name);
    const places = [...new Set([ours, name.text])].filter((key) => key !== '');
    const [items, rivals] = await Promise.all([
      Promise.all(places.map(async (key) => ({ key, item: await trip.get(key) }))),
      Promise.all(otherLetters(name).map((other) => rivalsOf(context, trip, other))),
    ]);
    const foreign = items.flatMap(({ key, item }) => {
      const lock = item === undefined ? undefined : foreignLock(table.name, key, item);
      return lock === undefined ? [] : [lock];
    });
    return { foreign, pauses: [], rivals: rivals.flat() };
  });
}

async function rivalsOf({ table, keys, sightings }: Context, trip: Trip, other: LockName): Promise<readonly Rival[]> {
  const key = keys.of(other);
  const item = await trip.get(key);
  // One that cannot be read is a matter of its own name.
  if (item === undefined || foreignLock(table.name, key, item) !== undefined) return [];
  const entry = entryOf(key, item);
  if (entry.hold === undefined) return [];
  const leftMs = sightings.look(entry, entry.hold);
  if (leftMs <= 0) return [];
  // It may end sooner: the time counts from when it was first seen.
  const { expiresInMs: _, ...known } = recordOf(other.text, entry, entry.hold, leftMs, table.wallMs());
  return [rivalOf(known, 'case')];
}
