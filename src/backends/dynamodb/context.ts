import type { LockName } from '../../core/name.js';
import type { Keys } from './keys.js';
import type { Settings } from './options.js';
import type { Sightings } from './sightings.js';
import type { Table } from './table.js';

/** What the operations share. */
export interface Context {
  readonly table: Table;
  readonly keys: Keys;
  readonly sightings: Sightings;
  readonly settings: Settings;
}

/**
 * How often one operation starts over because somebody else was faster. Each time somebody has got further, so it is only
 * reached where more compete for one name at the same moment.
 */
export const triesMax = 50;

export function lostEveryRace(name: LockName): string {
  return `DynamoDB: "${name.text}" changed ${triesMax} times while it was to be changed: ask again`;
}
