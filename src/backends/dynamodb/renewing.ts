import type { Held, Renewal, RevokedBy } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { BackendUnavailableError, ClosedError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { type Context, lostEveryRace } from './context.js';
import { isNamed } from './errors.js';
import { isOwn, renewed } from './expressions.js';
import { renewalValues } from './granting.js';
import { type Entry, entryOf, ownerMark, text } from './item.js';
import type { Trip } from './table.js';
import { atOnce } from './turns.js';

/** Of the time that core gives a batch: afterwards it would not hear of those that were renewed. */
const batchTimeRatio = 0.9;

/**
 * One write for each hold: `TransactWriteItems` costs twice as much, takes a hundred at most, and one hold that is gone fails
 * all others. All share the deadline of the shortest; what was not sent by then has no answer, and is sent again.
 */
export async function renewAll(context: Context, holds: readonly Held[]): Promise<readonly Renewal[]> {
  const { table, settings } = context;
  const answers: Renewal[] = [];
  if (holds.length === 0) return answers;
  const shortestMs = Math.min(...holds.map(({ ttlMs }) => ttlMs));
  const timeoutMs = callTimeoutMs(limits.callTimeoutMsDefault, shortestMs, limits.renewTimeoutTtlRatioMax);
  const trip = table.renewalTrip(timeoutMs * batchTimeRatio, settings.commandTimeoutMs);
  const entries = holds.entries();
  const work = async () => {
    for (const [index, held] of entries) answers[index] = await renew(context, trip, held);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, holds.length) }, work));
  return answers;
}

async function renew(context: Context, trip: Trip, held: Held): Promise<Renewal> {
  try {
    return await renewOne(context, trip, held);
  } catch (cause) {
    if (cause instanceof ClosedError) throw cause;
    // Without its table no hold is there; whoever makes the table anew finds every name free.
    if (isNamed((cause as Error).cause, 'ResourceNotFoundException')) return { outcome: 'gone' };
    return { outcome: 'unknown', cause };
  }
}

async function renewOne({ table, keys }: Context, trip: Trip, held: Held): Promise<Renewal> {
  const key = keys.of(held.name);
  const { hash, digest } = ownerMark(held.owner);
  for (let tries = 0; tries < 3; tries++) {
    const values = { ':held': text('held'), ':owner': text(hash), ...renewalValues(table, held.ttlMs) };
    const answer = await trip.update('renewing', key, { update: renewed, when: isOwn, values });
    if (answer.done) return { outcome: 'renewed', ttlMs: held.ttlMs };
    const entry = entryOf(key, answer.item);
    if (entry.hold?.owner === hash) continue;
    return { outcome: entry.hold === undefined ? 'gone' : 'not-yours', ...revokedBy(entry, digest) };
  }
  throw new BackendUnavailableError(lostEveryRace(held.name));
}

function revokedBy({ ended }: Entry, digest: string): { readonly by?: RevokedBy } {
  const why = ended.get(digest);
  if (why === undefined || why.kind === 'abandoned') return {};
  return { by: { kind: why.kind, reason: why.reason } };
}
