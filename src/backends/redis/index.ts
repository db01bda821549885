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
import { ClosedError } from '../../core/errors.js';
import type { Examination } from '../../core/examination.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import type { Records } from '../../core/records.js';
import { answerOf, releaseOf, revocationOf, saysGranted, saysInherited } from './answers.js';
import { Commands, callId } from './commands.js';
import type { Driver } from './driver.js';
import { openUrl } from './drivers/open.js';
import { driverOf, type RedisClient } from './drivers/shape.js';
import { examine } from './examining.js';
import { Granting } from './granting.js';
import { Keys } from './keys.js';
import { records, recordsAt } from './listing.js';
import { parseOptions, type RedisOptions, type Settings } from './options.js';
import { findings } from './probe/index.js';
import { recordCommands, recordsThrough } from './records.js';
import { renewAll } from './renewing.js';
import { mustBeDone } from './replies.js';
import { abandonScript } from './scripts/abandon.js';
import { acquireScript } from './scripts/acquire.js';
import { releaseScript } from './scripts/release.js';
import { revokeScript } from './scripts/revoke.js';
import { restOf } from './values.js';
import { Wakes } from './wakes.js';

export { type RedisRecords, type RedisRecordsOptions, redisRecords } from './records.js';
export type { RedisClient, RedisOptions };

const traits: Traits = {
  shared: true,
  queue: true,
  push: true,
  seesDeadHolders: false,
  pollMs: limits.pollMsMax,
  ttlMs: { min: limits.ttlMsMin, max: limits.ttlMsMax },
  fencesPerGrant: limits.fencesPerGrantMax,
  fenceSource: "max(previous + 1, microseconds of the server's clock), minted in the script that grants",
  guarantee:
    'exclusion while the server keeps its data and its clock is not stepped; fences rise over expiry, a restart without data, and a failover whose servers’ clocks agree within its duration',
};

/**
 * Leases in Redis, through the client that the application has. The client stays the application's: it is not closed,
 * and one more connection is opened for wake-ups when somebody first has to wait.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export function redis(client: RedisClient, options?: RedisOptions): Backend {
  const settings = parseOptions(options);
  return new RedisBackend(driverOf(client), settings);
}

/**
 * `redis://user:password@host:6379/0`, `rediss://…` with TLS, `redis+sentinel://host:26379,host:26379/master`,
 * `redis+cluster://host:6379,host:6379`.
 *
 * @param library which client to connect with; by default `ioredis` or `redis`, whichever is installed
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function redisFromUrl(url: string, library?: 'ioredis' | 'redis'): Promise<Backend> {
  const { driver, options, tool } = await openUrl(url, library);
  try {
    return new RedisBackend(driver, parseOptions(options), tool);
  } catch (error) {
    driver.close();
    throw error;
  }
}

class RedisBackend implements Backend {
  readonly name = 'redis';
  readonly traits = traits;
  readonly #settings: Settings;
  readonly #driver: Driver;
  readonly #commands: Commands;
  readonly #recordCommands: Commands;
  readonly #granting: Granting;
  readonly #keys: Keys;
  readonly #wakes: Wakes;
  readonly #retention: string;
  readonly #tool: string;
  #closed = false;

  /** @param tool how the server's own tool is called to reach it */
  constructor(driver: Driver, settings: Settings, tool = 'redis-cli') {
    this.#tool = tool;
    this.#driver = driver;
    this.#settings = settings;
    this.#commands = new Commands(driver);
    this.#recordCommands = recordCommands(driver);
    this.#granting = new Granting(driver, this.#commands, settings.replicas);
    this.#keys = new Keys(settings.prefix);
    this.#wakes = new Wakes(driver, settings.prefix);
    this.#retention = String(settings.fenceRetentionMs);
  }

  async acquire(ask: Ask): Promise<Grant | Refusal> {
    const key = this.#keys.of(ask.name);
    const { owner, mode, fences, enqueue } = ask;
    const how = `${mode === 'shared' ? 's' : 'x'}${fences} ${enqueue ? 'q' : '-'} ${this.#wakes.channel}`;
    const args = [owner, ttlOf(ask), restOf(ask), this.#retention, how];
    const reply = await this.#granting.eval(acquireScript, key, args, this.#timeoutMs(ask.ttlMs), ask, saysGranted);
    return answerOf(reply, ask, key);
  }

  async renew(holds: readonly Held[]): Promise<readonly Renewal[]> {
    if (this.#closed) throw closed();
    return renewAll(this.#commands, this.#keys, holds, this.#settings.commandTimeoutMs);
  }

  async release(held: Held): Promise<Release> {
    const key = this.#keys.of(held.name);
    return releaseOf(await this.#commands.eval(releaseScript, [key], [held.owner, held.mode], this.#timeoutMs(held.ttlMs)));
  }

  async abandon(ask: Ask): Promise<void> {
    mustBeDone(await this.#commands.eval(abandonScript, [this.#keys.of(ask.name)], [ask.owner], this.#timeoutMs(ask.ttlMs)));
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.#wakes.watch(this.#keys.of(name), wake);
  }

  read(name: LockName): Promise<readonly LockRecord[]> {
    return recordsAt(this.#commands, this.#keys, name, this.#settings.commandTimeoutMs);
  }

  list(prefix: string): AsyncIterable<LockRecord> {
    return records(this.#commands, this.#keys, prefix, this.#settings.commandTimeoutMs);
  }

  async revoke(name: LockName, { heir, kind, reason, ifFence }: Revoker): Promise<Revocation> {
    const key = this.#keys.of(name);
    const why = JSON.stringify({ kind, reason });
    const only = ifFence === undefined ? '' : String(ifFence);
    const { commandTimeoutMs } = this.#settings;
    const id = heir?.owner ?? callId();
    const grant = heir === undefined ? [] : [heir.mode, ttlOf(heir), String(heir.fences), restOf(heir), this.#retention];
    const timeoutMs = heir === undefined ? commandTimeoutMs : this.#timeoutMs(heir.ttlMs);
    const reply = await this.#granting.eval(revokeScript, key, [why, id, only, ...grant], timeoutMs, heir, saysInherited);
    return revocationOf(reply, id, name, key, heir);
  }

  async examine(name: LockName): Promise<Examination> {
    const { commandTimeoutMs: timeoutMs } = this.#settings;
    return examine({ commands: this.#commands, keys: this.#keys, timeoutMs, tool: this.#tool }, name);
  }

  async probe(): Promise<readonly Finding[]> {
    if (this.#closed) throw closed();
    return findings(this.#driver, this.#settings);
  }

  records(): Records {
    return recordsThrough(this.#recordCommands, this.#keys, this.#settings.commandTimeoutMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#commands.close();
    this.#recordCommands.close();
    this.#granting.close();
    this.#wakes.close();
    this.#driver.close();
  }

  #timeoutMs(ttlMs: number): number {
    return callTimeoutMs(this.#settings.commandTimeoutMs, ttlMs);
  }
}

/** PEXPIRE takes whole milliseconds. */
function ttlOf({ ttlMs }: { readonly ttlMs: number }): string {
  return String(Math.ceil(ttlMs));
}

function closed(): ClosedError {
  return new ClosedError('this Redis backend is closed: make a new one');
}
