import type {
  Ask,
  Backend,
  Finding,
  Grant,
  Held,
  LockRecord,
  Refusal,
  Release,
  Renewal,
  Revocation,
  Revoker,
  Stop,
  Traits,
} from '../../core/backend.js';
import { systemPorts } from '../../core/clock.js';
import type { Examination } from '../../core/examination.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import type { Records } from '../../core/records.js';
import { Acquiring } from './acquiring.js';
import { Epoch } from './epoch.js';
import { examine } from './examining.js';
import { Keys } from './keys.js';
import { records, recordsAt } from './listing.js';
import { type ConsulOptions, type ConsulTls, parseOptions, type Settings } from './options.js';
import { findings } from './probe.js';
import { RecordSessions } from './record-sessions.js';
import { StoredRecords } from './records.js';
import { abandon, release } from './releasing.js';
import { renewAll } from './renewing.js';
import { Revoking } from './revoking.js';
import { Rpc } from './rpc.js';
import { Seats } from './seats.js';
import { Sessions } from './sessions.js';
import { Sightings } from './sightings.js';
import type { Store } from './store.js';
import { optionsOf } from './url.js';
import { Waiting } from './waiting.js';
import { Watches } from './watches.js';

export { type ConsulRecords, consulRecords } from './records.js';
export type { ConsulOptions, ConsulTls };

/** A commit may take a tenth of a second on a busy disk, and the third renewal must still be in time. */
const ttlMsMin = 1_000;

const traits: Traits = {
  shared: true,
  queue: true,
  push: true,
  seesDeadHolders: false,
  pollMs: limits.pollMsMax,
  ttlMs: { min: ttlMsMin, max: limits.ttlMsMax },
  fencesPerGrant: limits.fencesPerGrantMax,
  fenceSource:
    'index of the transaction that granted, counted from an epoch in the store (microseconds of the clock when it was written), times 512',
  guarantee:
    'exclusion by consensus; a hold is taken over when its key stood unchanged for its whole TTL on the monotonic clock of whoever takes it over, so that no two clocks are compared',
};

/**
 * Leases in Consul 1.13 or later, through its HTTP API. Connections are made here, and closed with the backend.
 *
 * @throws InvalidArgumentError
 */
export function consul(options: ConsulOptions): Backend {
  return new ConsulBackend(parseOptions(options));
}

/**
 * `consul://localhost:8500?token=…&dc=…&prefix=holdfast/`, `consul+tls://localhost:8501?cacert=FILE&cert=FILE&key=FILE`.
 *
 * @throws InvalidArgumentError
 */
export async function consulFromUrl(url: string): Promise<Backend> {
  return consul(await optionsOf(url));
}

class ConsulBackend implements Backend {
  readonly name = 'consul';
  readonly traits = traits;
  readonly #store: Store;
  readonly #settings: Settings;
  readonly #recordSessions: RecordSessions;
  #closing: Promise<void> | undefined;

  constructor(settings: Settings) {
    const ports = systemPorts();
    const rpc = new Rpc(settings, ports);
    const keys = new Keys(settings.prefix);
    const sightings = new Sightings(() => ports.now());
    this.#settings = settings;
    this.#recordSessions = new RecordSessions(rpc);
    this.#store = {
      rpc,
      keys,
      epoch: new Epoch(rpc, keys),
      sessions: new Sessions(rpc),
      seats: new Seats(),
      sightings,
      waiting: new Waiting(new Watches(rpc, sightings), ports, new Sightings(() => ports.now())),
      commandTimeoutMs: settings.commandTimeoutMs,
    };
  }

  async acquire(ask: Ask): Promise<Grant | Refusal> {
    this.#store.rpc.mustBeOpen();
    return new Acquiring(this.#store, ask).run();
  }

  async renew(holds: readonly Held[]): Promise<readonly Renewal[]> {
    this.#store.rpc.mustBeOpen();
    return holds.length === 0 ? [] : renewAll(this.#store, holds);
  }

  async release(held: Held): Promise<Release> {
    return release(this.#store, held);
  }

  async abandon(ask: Ask): Promise<void> {
    await abandon(this.#store, ask);
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.#store.waiting.listen(name.encoded, wake);
  }

  read(name: LockName): Promise<readonly LockRecord[]> {
    return recordsAt(this.#store, name);
  }

  list(prefix: string): AsyncIterable<LockRecord> {
    return records(this.#store, prefix);
  }

  async revoke(name: LockName, by: Revoker): Promise<Revocation> {
    this.#store.rpc.mustBeOpen();
    return new Revoking(this.#store, name, by).run();
  }

  async probe(): Promise<readonly Finding[]> {
    this.#store.rpc.mustBeOpen();
    return findings(this.#store, this.#settings);
  }

  async examine(name: LockName): Promise<Examination> {
    this.#store.rpc.mustBeOpen();
    return examine(this.#store, name);
  }

  records(): Records {
    const { rpc, keys } = this.#store;
    return new StoredRecords(rpc, keys, this.#recordSessions, this.#store);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { waiting, sessions, seats, rpc, commandTimeoutMs } = this.#store;
    waiting.close();
    if (!rpc.closed) await sessions.end(({ id }) => seats.uses(id), Math.min(commandTimeoutMs, limits.callTimeoutMsDefault));
    rpc.close();
  }
}
