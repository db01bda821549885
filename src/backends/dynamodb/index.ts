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
import type { Examination } from '../../core/examination.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import type { Records } from '../../core/records.js';
import { abandon } from './abandoning.js';
import { acquire } from './acquiring.js';
import { type BareClient, type Driver, type DynamoDBClient, type DynamoDBMethods, driverOf } from './client.js';
import type { Context } from './context.js';
import { examine } from './examining.js';
import type { Hold } from './item.js';
import { Keys } from './keys.js';
import { records, recordsAt } from './listing.js';
import { openUrl } from './open.js';
import { type DynamoDBOptions, parseOptions, type Settings } from './options.js';
import { findings } from './probe.js';
import { recordsIn } from './records.js';
import { release } from './releasing.js';
import { renewAll } from './renewing.js';
import { revoke } from './revoking.js';
import { Sightings } from './sightings.js';
import { Table } from './table.js';

export { type DynamoDBRecords, type DynamoDBRecordsOptions, dynamodbRecords } from './records.js';
export type { BareClient, DynamoDBClient, DynamoDBMethods, DynamoDBOptions };

/** One write in a thousand takes a tenth of a second or more, and the third renewal must still be in time. */
const ttlMsMin = 1_000;

function traitsOf({ pollMs }: Settings): Traits {
  return {
    // Readers of a popular name would be writers of one item: see docs/adr/0015-dynamodb.md.
    shared: false,
    queue: false,
    push: false,
    seesDeadHolders: false,
    pollMs,
    ttlMs: { min: ttlMsMin, max: limits.ttlMsMax },
    fencesPerGrant: limits.fencesPerGrantMax,
    fenceSource:
      "max(previous + 1, microseconds of the client's clock), in the conditional write that grants; the clock matters only where the item is gone or older than it was",
    guarantee:
      'exclusion in a table of one region; a hold is taken over when its version stood unchanged for its whole TTL on the monotonic clock of whoever takes it over, so that no two clocks are compared',
  };
}

/**
 * Leases in one DynamoDB table, through the AWS SDK 3 client that the application has: `new DynamoDB(…)`, or
 * `{ client: new DynamoDBClient(…), commands }` with the commands of its package. The client stays the application's: it is
 * not closed.
 *
 * @throws InvalidArgumentError
 */
export function dynamodb(client: DynamoDBClient, options?: DynamoDBOptions): Backend {
  return new DynamoDBBackend(driverOf(client), parseOptions(options));
}

/**
 * `dynamodb://eu-central-1/table?create=true&prefix=…&endpoint=http://127.0.0.1:8000`, with the credentials that the SDK
 * finds by itself.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function dynamodbFromUrl(url: string): Promise<Backend> {
  const { driver, options } = await openUrl(url);
  try {
    return new DynamoDBBackend(driver, parseOptions(options));
  } catch (error) {
    driver.close();
    throw error;
  }
}

class DynamoDBBackend implements Backend {
  readonly name = 'dynamodb';
  readonly traits: Traits;
  readonly #table: Table;
  readonly #context: Context;

  constructor(driver: Driver, settings: Settings) {
    this.traits = traitsOf(settings);
    const table = new Table(driver, settings);
    const isLongDead = ({ renewedMs, ttlMs }: Hold) => table.wallMs() - renewedMs > ttlMs + settings.deadAfterMs;
    const sightings = new Sightings(() => table.ports.now(), isLongDead);
    this.#table = table;
    this.#context = { table, keys: new Keys(settings.prefix), sightings, settings };
  }

  acquire(ask: Ask): Promise<Grant | Refusal> {
    return acquire(this.#context, ask, this.#timeoutMs(ask.ttlMs));
  }

  async renew(holds: readonly Held[]): Promise<readonly Renewal[]> {
    this.#table.assertOpen();
    return renewAll(this.#context, holds);
  }

  release(held: Held): Promise<Release> {
    return release(this.#context, held, this.#timeoutMs(held.ttlMs));
  }

  abandon(ask: Ask): Promise<void> {
    return abandon(this.#context, ask, this.#timeoutMs(ask.ttlMs));
  }

  /** Nothing wakes. */
  watch(_name: LockName, _wake: () => void): Stop {
    return () => {};
  }

  read(name: LockName): Promise<readonly LockRecord[]> {
    return recordsAt(this.#context, name);
  }

  list(prefix: string): AsyncIterable<LockRecord> {
    return records(this.#context, prefix);
  }

  revoke(name: LockName, by: Revoker): Promise<Revocation> {
    const { commandTimeoutMs } = this.#context.settings;
    return revoke(this.#context, name, by, by.heir === undefined ? commandTimeoutMs : this.#timeoutMs(by.heir.ttlMs));
  }

  probe(): Promise<readonly Finding[]> {
    return findings(this.#table, this.#context.settings);
  }

  async examine(name: LockName): Promise<Examination> {
    this.#table.assertOpen();
    return examine(this.#context, name);
  }

  records(): Records {
    return recordsIn(this.#table, this.#context.keys, this.#context.settings.commandTimeoutMs);
  }

  async close(): Promise<void> {
    this.#table.close();
  }

  #timeoutMs(ttlMs: number): number {
    return callTimeoutMs(this.#context.settings.commandTimeoutMs, ttlMs);
  }
}
