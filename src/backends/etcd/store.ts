import type { Epoch } from './epoch.js';
import type { KeepAlives } from './keep-alives.js';
import type { Keys } from './keys.js';
import type { Leases } from './leases.js';
import type { Rpc } from './rpc.js';
import type { Seats } from './seats.js';
import type { Waiting } from './waiting.js';

/** What the methods of the contract work with. */
export interface Store {
  readonly rpc: Rpc;
  readonly keys: Keys;
  readonly epoch: Epoch;
  readonly leases: Leases;
  readonly keepAlives: KeepAlives;
  readonly seats: Seats;
  readonly waiting: Waiting;
  readonly commandTimeoutMs: number;
}
