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
import { Calls } from '../../core/calls.js';
import { systemPorts } from '../../core/clock.js';
import { InvalidArgumentError } from '../../core/errors.js';
import type { Examination } from '../../core/examination.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import type { Records } from '../../core/records.js';
import { acquire } from './acquiring.js';
import type { ClientFactory, ZooKeeperClient } from './client.js';
import { closed } from './errors.js';
import { examine } from './examining.js';
import { records, recordsOf } from './listing.js';
import { parseOptions, type Settings, type ZooKeeperOptions } from './options.js';
import { findings } from './probe/index.js';
import { recordsIn } from './records.js';
import { abandon, release } from './releasing.js';
import { renewAll } from './renewing.js';
import { revoke } from './revoking.js';
import { Sessions } from './sessions.js';
import { Store } from './store.js';
import { openUrl } from './url.js';

export { type ZooKeeperRecords, zookeeperRecords } from './records.js';
export type { ClientFactory, ZooKeeperClient, ZooKeeperOptions };

const traits: Traits = {
  shared: true,
  queue: true,
  push: true,
  seesDeadHolders: false,
  pollMs: limits.pollMsMax,
  ttlMs: { min: limits.ttlMsMin, max: limits.ttlMsMax },
  fencesPerGrant: limits.fencesPerGrantMax,
  fenceSource: 'the number of the transaction that granted (czxid), times 512',
  guarantee: 'exclusion and rising fences while a majority of the ensemble keeps its data; no clock is compared',
};

/**
 * Leases in ZooKeeper. A client is of no use when its session has expired, and how long a session should last depends on the
 * leases in it: so this takes a function that makes clients, and connects and closes them itself.
 *
 * @throws InvalidArgumentError
 */
export function zookeeper(open: ClientFactory, options?: ZooKeeperOptions): Backend {
  if (typeof open !== 'function') {
    throw new InvalidArgumentError(
      'zookeeper() takes a function that makes clients: zookeeper((ms) => createClient("host:2181", { sessionTimeout: ms }))',
    );
  }
  return new ZooKeeperBackend(open, parseOptions(options));
}

/**
 * `zk://user:password@host:2181,host:2181/node?root=/holdfast`, with `node-zookeeper-client`.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function zookeeperFromUrl(url: string): Promise<Backend> {
  const { open, options } = await openUrl(url);
  return zookeeper(open, options);
}

class ZooKeeperBackend implements Backend {
  readonly name = 'zookeeper';
  readonly traits = traits;
  readonly #store: Store;
  readonly #settings: Settings;
  readonly #calls = new Calls(systemPorts());
  readonly #records: ReturnType<typeof recordsIn>;
  #closed: Promise<void> | undefined;

  constructor(open: ClientFactory, settings: Settings) {
    this.#settings = settings;
    const sessions = new Sessions(open, this.#calls, (session) => this.#store.sessionEnded(session));
    this.#records = recordsIn(sessions, this.#calls, settings);
    this.#store = new Store(sessions, this.#calls, settings);
  }

  async acquire(ask: Ask): Promise<Grant | Refusal> {
    return acquire(this.#open(), ask);
  }

  async renew(holds: readonly Held[]): Promise<readonly Renewal[]> {
    return renewAll(this.#open(), holds);
  }

  async release(held: Held): Promise<Release> {
    return release(this.#open(), held);
  }

  async abandon(ask: Ask): Promise<void> {
    return abandon(this.#open(), ask);
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.#store.wakes.watch(this.#store.paths.of(name), wake);
  }

  async read(name: LockName): Promise<readonly LockRecord[]> {
    return recordsOf(this.#open(), this.#store.paths.of(name));
  }

  async *list(prefix: string): AsyncIterable<LockRecord> {
    yield* records(this.#open(), prefix);
  }

  async revoke(name: LockName, by: Revoker): Promise<Revocation> {
    return revoke(this.#open(), name, by);
  }

  async probe(): Promise<readonly Finding[]> {
    return findings(this.#open(), this.#settings.commandTimeoutMs);
  }

  async examine(name: LockName): Promise<Examination> {
    return examine(this.#open(), systemPorts(), name);
  }

  records(): Records {
    return this.#records;
  }

  close(): Promise<void> {
    this.#records.close();
    this.#closed ??= this.#store.close().finally(() => this.#calls.close());
    return this.#closed;
  }

  #open(): Store {
    if (this.#closed !== undefined) throw closed();
    return this.#store;
  }
}
