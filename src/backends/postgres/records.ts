import { randomBytes } from 'node:crypto';
import { asciiName } from '../../core/ascii.js';
import { InvalidArgumentError } from '../../core/errors.js';
import { decodeName, encodeName, parseName } from '../../core/name.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { nameOf } from './answers.js';
import { Commands } from './commands.js';
import { driverOf, type PostgresClient } from './drivers/shape.js';
import { type PostgresOptions, parseOptions } from './options.js';
import { identifier, literal } from './sql/text.js';
import { askExplained, type PostgresTransaction } from './transaction.js';
import { v } from './sql/version.js';

export interface PostgresRecords extends Records<PostgresTransaction> {
  /**
   * The records inside a transaction of the application, in any isolation level. Above READ COMMITTED, a record that was changed since the snapshot is a serialization failure
   * (40001). Errors of the server are thrown as they are, because they end the transaction.
   */
  in(tx: PostgresTransaction): Pick<Records, 'get' | 'compareAndSet'>;
  close(): Promise<void>;
}

export type PostgresRecordsOptions = Pick<PostgresOptions, 'schema' | 'commandTimeoutMs'>;

const pageRecords = 200;

/** Three thousand years: the server's calendar has room for it. */
const ttlMsMax = 1e14;

/**
 * Records with compare-and-set in PostgreSQL, in the schema of the locks or another. The store's time is the server's clock. A
 * write whose reply was lost is sent again under the same id, and never told to be in conflict with itself.
 *
 * The client stays the application's. Methods throw InvalidArgumentError for a key of more than 512 bytes,
 * BackendUnavailableError, OutcomeUnknownError and, after `close`, ClosedError.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export function postgresRecords(client: PostgresClient, options?: PostgresRecordsOptions): PostgresRecords {
  const { schema, commandTimeoutMs } = parseOptions(options);
  const driver = driverOf(client);
  const commands = new Commands(driver, schema);
  return {
    ...recordsThrough(commands, schema, commandTimeoutMs),
    async close() {
      commands.close();
      await driver.close();
    },
  };
}

/** The records that commands reach, which stay the caller's. */
export function recordsThrough(commands: Commands, schema: string, commandTimeoutMs: number): Omit<PostgresRecords, 'close'> {
  const write = async (key: string, value: string, ttlMs: number | undefined, version: string | null): Promise<RecordWrite> => {
    // In hexadecimal: the functions part it from the rest of a version at the dash.
    const id = randomBytes(12).toString('hex');
    const args = [stored(key), id, asciiName(encodeName(value)), wholeMs(ttlMs), version] as const;
    return writeOf(await commands.call('record_write', args, 'writing a record', commandTimeoutMs), key);
  };
  return {
    get: async (key) =>
      writeOf(await commands.call('record_get', [stored(key)], 'reading a record', commandTimeoutMs), key).record,
    create: (key, value, ttlMs) => write(key, value, ttlMs, null),
    compareAndSet: (key, version, value, ttlMs) => write(key, value, ttlMs, version),
    in: (tx) => recordsIn(tx, identifier(schema)),
    list: (prefix) => list(commands, prefix, commandTimeoutMs),
  };
}

function recordsIn(tx: PostgresTransaction, s: string): Pick<Records, 'get' | 'compareAndSet'> {
  return {
    get: async (key) =>
      writeOf(await askExplained(tx, `SELECT ${s}.${v}_record_get(${literal(stored(key))}) AS r`, 'records.in()'), key).record,
    async compareAndSet(key, version, value, ttlMs) {
      const args = [stored(key), randomBytes(12).toString('hex'), asciiName(encodeName(value)), wholeMs(ttlMs), version];
      return writeOf(
        await askExplained(tx, `SELECT ${s}.${v}_record_set_in(${args.map(literal).join(',')}) AS r`, 'records.in()'),
        key,
      );
    },
  };
}

/** Page by page, each of one moment. */
async function* list(commands: Commands, prefix: string, timeoutMs: number): AsyncGenerator<StoredRecord> {
  const start = asciiName(encodeName(prefix.replace(/[\ud800-\udbff]$/, '')));
  for (let after: string | null = null; ; ) {
    const reply: string | null = await commands.call('record_list', [start, after, pageRecords], 'listing records', timeoutMs);
    const page = JSON.parse(reply ?? '[]') as readonly (readonly [string, string])[];
    for (const [at, shown] of page) {
      const key = nameOf(at);
      const { record } = writeOf(shown, key);
      if (record !== undefined && key.startsWith(prefix)) yield record;
    }
    after = page.at(-1)?.[0] ?? null;
    if (page.length < pageRecords) return;
  }
}

function stored(key: string): string {
  return asciiName(parseName(key).encoded);
}

function wholeMs(ttlMs: number | undefined): number | null {
  if (ttlMs === undefined) return null;
  if (!(ttlMs > 0 && ttlMs <= ttlMsMax)) {
    throw new InvalidArgumentError(
      `the ttlMs of a record must be more than 0 and at most ${ttlMsMax}, or undefined, not ${ttlMs}`,
    );
  }
  return Math.ceil(ttlMs);
}

function writeOf(reply: string | null, key: string): RecordWrite {
  const [written, storeTimeMs, value, version, expires] = JSON.parse(reply ?? '[false,0]') as [
    boolean,
    number,
    string?,
    string?,
    (number | null)?,
  ];
  if (value === undefined || version === undefined) return { written, record: undefined };
  // Its first half are the microseconds of the write.
  const ageMs = Math.max(0, storeTimeMs - Number.parseInt(version, 10) / 1_000);
  const record: StoredRecord = { key, value: decodeName(value), version, storeTimeMs, expiresAtMs: expires ?? undefined, ageMs };
  return { written, record };
}
