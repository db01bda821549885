import { randomBytes } from 'node:crypto';
import { asciiJson, asciiName } from '../../core/ascii.js';
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
import { callTimeoutMs } from '../../core/calls.js';
import { systemPorts } from '../../core/clock.js';
import { ClosedError } from '../../core/errors.js';
import type { Examination } from '../../core/examination.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { nodeText } from '../../core/node.js';
import { answerOf, releaseOf, revocationOf } from './answers.js';
import { Commands } from './commands.js';
import type { Driver } from './driver.js';
import { openUrl } from './drivers/open.js';
import { driverOf, type PostgresClient } from './drivers/shape.js';
import { examine } from './examine/index.js';
import { records, recordsAt } from './listing.js';
import { type PostgresOptions, parseOptions, type Settings } from './options.js';
import { findings } from './probe/index.js';
import { type PostgresRecords, recordsThrough } from './records.js';
import { renewAll } from './renewing.js';
import { Sweeper } from './sweeper.js';
import { Wakes } from './wakes.js';

export { type PostgresDatabaseOptions, postgresDatabase, postgresDatabaseFromUrl } from './database.js';
export { type PostgresRecordsOptions, postgresRecords } from './records.js';
export { setupSql } from './setup-sql.js';
export { acquireIn, type PostgresTransaction, type TakeOptions } from './transaction.js';
export type { PostgresClient, PostgresOptions, PostgresRecords };

/** Longest time between two tries where nobody is ever woken. */
const pollMsAlone = 200;

const ownShare = 0.9;

const traits: Traits = {
  shared: true,
  queue: true,
  push: true,
  seesDeadHolders: false,
  pollMs: limits.pollMsMax,
  ttlMs: { min: limits.ttlMsMin, max: limits.ttlMsMax },
  fencesPerGrant: limits.fencesPerGrantMax,
  fenceSource: "max(previous + 1, microseconds of the server's clock), kept in the row of the name",
  guarantee:
    'exclusion while the server keeps what it has committed and its clock is not stepped; fences rise over expiry, a restart, and a failover that lost commits if the servers’ clocks agree within its duration',
};

/**
 * Leases in PostgreSQL, through the pool that the application has. The pool stays the application's: it is not closed, and one more
 * connection is opened beside it, for wake-ups, when somebody first has to wait.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export function postgres(client: PostgresClient, options?: PostgresOptions): Backend {
  return new PostgresBackend(driverOf(client), parseOptions(options));
}

/**
 * `postgres://user:password@host:5432/database?schema=holdfast`, or `postgresql://…`; other parameters are the client library's.
 *
 * @param library which client to connect with; by default `pg` or `postgres`, whichever is installed
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function postgresFromUrl(url: string, library?: 'pg' | 'postgres'): Promise<Backend> {
  const { driver, options } = await openUrl(url, library);
  return new PostgresBackend(driver, parseOptions(options));
}

class PostgresBackend implements Backend {
  readonly name = 'postgres';
  readonly traits: Traits;
  readonly #settings: Settings;
  readonly #driver: Driver;
  readonly #listener: Driver | undefined;
  readonly #commands: Commands;
  readonly #wakes: Wakes;
  readonly #sweeper: Sweeper;
  #closed = false;

  constructor(driver: Driver, settings: Settings) {
    const { listen } = settings;
    this.#driver = driver;
    this.#settings = settings;
    this.#commands = new Commands(driver, settings.schema);
    this.#listener = listen === true ? driver : listen === false ? undefined : driverOf(listen);
    this.#wakes = new Wakes(this.#listener);
    this.#sweeper = new Sweeper(this.#commands, settings);
    this.traits = listen === false ? { ...traits, push: false, pollMs: pollMsAlone } : traits;
  }

  async acquire(ask: Ask): Promise<Grant | Refusal> {
    const { schema } = this.#settings;
    const args = [
      storedName(ask.name),
      ask.owner,
      ask.mode === 'shared',
      ttlOf(ask),
      ask.fences,
      ask.enqueue,
      this.#wakes.channel,
    ];
    const reply = await this.#commands.call(
      'acquire',
      [...args, nodeText(ask.node), asciiJson(ask.metadata)],
      'asking for a lock',
      this.#timeoutMs(ask.ttlMs),
    );
    this.#sweeper.pass();
    return answerOf(reply, ask, schema);
  }

  async renew(holds: readonly Held[]): Promise<readonly Renewal[]> {
    if (this.#closed) throw closed();
    return renewAll(this.#commands, holds, this.#settings.commandTimeoutMs);
  }

  async release(held: Held): Promise<Release> {
    const args = [storedName(held.name), held.owner, held.mode === 'shared'] as const;
    return releaseOf(await this.#commands.call('release', args, 'releasing a lock', this.#timeoutMs(held.ttlMs)));
  }

  async abandon(ask: Ask): Promise<void> {
    const args = [storedName(ask.name), ask.owner] as const;
    await this.#commands.call('abandon', args, 'withdrawing an ask', this.#timeoutMs(ask.ttlMs));
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.#wakes.watch(name, wake);
  }

  read(name: LockName): Promise<readonly LockRecord[]> {
    return recordsAt(this.#commands, this.#settings.schema, name, this.#settings.commandTimeoutMs);
  }

  list(prefix: string): AsyncIterable<LockRecord> {
    return records(this.#commands, this.#settings.schema, prefix, this.#settings.commandTimeoutMs);
  }

  async revoke(name: LockName, { heir, kind, reason, ifFence }: Revoker): Promise<Revocation> {
    const { schema, commandTimeoutMs } = this.#settings;
    const id = heir?.owner ?? randomBytes(16).toString('base64url');
    const grant =
      heir === undefined
        ? [false, false, 0, 0, '', '']
        : [true, heir.mode === 'shared', ttlOf(heir), heir.fences, nodeText(heir.node), asciiJson(heir.metadata)];
    const timeoutMs = heir === undefined ? commandTimeoutMs : this.#timeoutMs(heir.ttlMs);
    const only = ifFence === undefined ? null : String(ifFence);
    const args = [storedName(name), id, asciiJson({ kind, reason }), only, ...grant] as const;
    return revocationOf(await this.#commands.call('revoke', args, 'revoking a lock', timeoutMs), id, name, schema, heir);
  }

  async probe(): Promise<readonly Finding[]> {
    if (this.#closed) throw closed();
    const { schema, commandTimeoutMs } = this.#settings;
    return findings(this.#driver, this.#listener, this.#commands, schema, commandTimeoutMs);
  }

  async examine(name: LockName): Promise<Examination> {
    if (this.#closed) throw closed();
    const { schema, commandTimeoutMs } = this.#settings;
    return examine(this.#commands, systemPorts(), schema, name, commandTimeoutMs);
  }

  records(): Omit<PostgresRecords, 'close'> {
    const { schema, commandTimeoutMs } = this.#settings;
    return recordsThrough(this.#commands, schema, commandTimeoutMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#commands.close();
    this.#wakes.close();
    if (this.#listener !== this.#driver) await this.#listener?.close();
    await this.#driver.close();
  }

  #timeoutMs(ttlMs: number): number {
    // Before core gives the call up: only here it is known whether it was sent.
    return ownShare * callTimeoutMs(this.#settings.commandTimeoutMs, ttlMs);
  }
}

function storedName(name: LockName): string {
  return asciiName(name.encoded);
}

function ttlOf({ ttlMs }: { readonly ttlMs: number }): number {
  return Math.ceil(ttlMs);
}

function closed(): ClosedError {
  return new ClosedError('this PostgreSQL backend is closed: make a new one');
}
