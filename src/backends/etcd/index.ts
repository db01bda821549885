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
import type { GrpcClient, GrpcMetadata, GrpcModule, GrpcStream } from './grpc.js';
import { KeepAlives } from './keep-alives.js';
import { Keys } from './keys.js';
import { Leases } from './leases.js';
import { records, recordsAt } from './listing.js';
import { type EtcdOptions, parseOptions, type Settings } from './options.js';
import { findings } from './probe/index.js';
import { StoredRecords } from './records.js';
import { abandon, release } from './releasing.js';
import { renewAll } from './renewing.js';
import { Revoking } from './revoking.js';
import { Rpc } from './rpc.js';
import { Seats } from './seats.js';
import type { Store } from './store.js';
import { optionsOf } from './url.js';
import { Waiting } from './waiting.js';
import { Watches } from './watches.js';

export { type ConsensusLog, type ConsensusLogOptions, consensusLog } from './log/consensus-log.js';
export type { Zones } from './log/zones.js';
export { type EtcdRecords, etcdRecords } from './records.js';
export type { EtcdOptions, GrpcClient, GrpcMetadata, GrpcModule, GrpcStream };

const traits: Traits = {
  shared: true,
  queue: true,
  push: true,
  seesDeadHolders: false,
  pollMs: limits.pollMsMax,
  // Leases have whole seconds: a shorter TTL would be one that the store does not keep.
  ttlMs: { min: 1_000, max: limits.ttlMsMax },
  fencesPerGrant: limits.fencesPerGrantMax,
  fenceSource:
    'revision of the transaction that granted, counted from an epoch in the store (microseconds of the clock when it was written), times 512',
  guarantee:
    'exclusion by consensus while the members’ clocks run at the right rate; fences rise as long as the cluster keeps its data, or its epoch is written anew by a clock that is right',
};

/**
 * Leases in etcd 3.4 or later, through the gRPC module that the application hands in. Channels to the members are made here,
 * and closed with the backend.
 *
 * @throws InvalidArgumentError
 */
export function etcd(options: EtcdOptions): Backend {
  return new EtcdBackend(parseOptions(options));
}

/**
 * `etcd://user:password@host:2379,host:2379?prefix=holdfast/`, `etcd+tls://…?cacert=FILE&cert=FILE&key=FILE`.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function etcdFromUrl(url: string): Promise<Backend> {
  return etcd(await optionsOf(url));
}

class EtcdBackend implements Backend {
  readonly name = 'etcd';
  readonly traits = traits;
  readonly #store: Store;
  readonly #watches: Watches;
  #closing: Promise<void> | undefined;

  constructor(settings: Settings) {
    const ports = systemPorts();
    const rpc = new Rpc(settings, ports);
    const keys = new Keys(settings.prefix);
    const leases = new Leases(rpc, settings.commandTimeoutMs);
    this.#watches = new Watches(rpc);
    this.#store = {
      rpc,
      keys,
      leases,
      epoch: new Epoch(rpc, keys.epoch),
      keepAlives: new KeepAlives(rpc),
      seats: new Seats(leases, ports),
      waiting: new Waiting(this.#watches, ports),
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
    return findings(this.#store);
  }

  async examine(name: LockName): Promise<Examination> {
    this.#store.rpc.mustBeOpen();
    return examine(this.#store, name);
  }

  records(): Records {
    const { rpc, keys, leases } = this.#store;
    return new StoredRecords(rpc, keys, leases, this.#store);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { leases, keepAlives, waiting, rpc } = this.#store;
    await leases.close();
    waiting.close();
    keepAlives.close();
    this.#watches.close();
    rpc.close();
  }
}
