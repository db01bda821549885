import type { Epoch } from './epoch.js';
import type { Keys } from './keys.js';
import type { Rpc } from './rpc.js';
import type { Seats } from './seats.js';
import type { Sessions } from './sessions.js';
import type { Sightings } from './sightings.js';
import type { Waiting } from './waiting.js';

/** What the methods of the contract work with. */
export interface Store {
  readonly rpc: Rpc;
  readonly keys: Keys;
  readonly epoch: Epoch;
  readonly sessions: Sessions;
  readonly seats: Seats;
  readonly sightings: Sightings;
  readonly waiting: Waiting;
  readonly commandTimeoutMs: number;
}
