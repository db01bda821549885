import type { LockRecord, Metadata } from './backend.js';
import type { Caller } from './caller.js';
import { type Instant, ownerDigest } from './clock.js';
import type { Serving } from './serving.js';
import type { Notes } from './tracer.js';
import { noNotes } from './tracing.js';

/** For a tracer: the last turn of a hold that was given back. */
export interface PastTurn {
  readonly owner: string;
  readonly notes: Notes;
  readonly endedAtMs: number;
}

export function pastTurn(notes: Notes, owner: string, now: Instant): PastTurn {
  return { owner, notes, endedAtMs: now.monotonicMs };
}

/** Whom these callers come after, who are granted it. `holders`: those that it was refused for before. */
export function notesBefore(
  batch: readonly Caller[],
  holders: readonly LockRecord[] | undefined,
  servings: readonly Serving[],
  past: PastTurn | undefined,
): Notes {
  if (holders !== undefined) return batch.some(({ trace }) => trace !== undefined) ? notesOf(holders, servings, past) : noNotes;
  const head = batch[0];
  if (past === undefined || head === undefined) return noNotes;
  // The store was asked only after it had been given back: whoever came before that has waited for it all the same.
  return head.enqueuedAt.monotonicMs <= past.endedAtMs ? past.notes : noNotes;
}

/** What these holders have noted. The store knows the first turn of a hold; of one of our own, we know the last. */
export function notesOf(holders: readonly LockRecord[], servings: readonly Serving[], past: PastTurn | undefined): Notes {
  return holders.map((holder) => ownNote(holder.ownerDigest, servings, past) ?? holder.metadata);
}

function ownNote(digest: string, servings: readonly Serving[], past: PastTurn | undefined): Metadata | undefined {
  if (past !== undefined && ownerDigest(past.owner) === digest) return past.notes[0];
  const own = servings.find(({ notes, hold }) => notes !== undefined && ownerDigest(hold.held.owner) === digest);
  return own?.notes?.[0];
}
