import { limits } from '../../core/limits.js';
import type { AttributeValue } from './client.js';
import { endedName } from './expressions.js';
import { type Ended, type Entry, text } from './item.js';

/**
 * Owners of one name that are remembered as ended. Each makes every write of the item dearer, and what is forgotten too
 * early costs little: an ask that arrives even later holds the name for nobody until its TTL is over.
 */
const endedMax = 32;

/** Taken out by one write: an expression has room for some 180 names, and a crowd that gives up at one moment leaves more. */
const forgottenMax = 64;

export interface Ending {
  readonly set: string;
  readonly remove: readonly string[];
  readonly values: Record<string, AttributeValue>;
}

/** Writes down that an owner must not come back, and forgets those whose time is over. */
export function ending(digest: string, why: Ended, entry: Entry | undefined): Ending {
  return {
    set: `${endedName(digest)} = :why`,
    remove: forgettable(entry, why.atMs)
      .filter((other) => other !== digest)
      .map(endedName),
    values: { ':why': text(JSON.stringify(why)) },
  };
}

/** By the clocks of different machines: they may be a little apart, and the worst is what is said above. */
function forgettable(entry: Entry | undefined, nowMs: number): readonly string[] {
  const oldestFirst = [...(entry?.ended ?? [])].sort(([, a], [, b]) => a.atMs - b.atMs);
  const excess = oldestFirst.length + 1 - endedMax;
  return oldestFirst
    .filter(([, { atMs }], index) => index < excess || nowMs - atMs > limits.tombstoneMs)
    .slice(0, forgottenMax)
    .map(([digest]) => digest);
}
