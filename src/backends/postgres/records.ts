import { randomBytes } from 'node:crypto';
import { InvalidArgumentError } from '../../core/errors.js';
import { decodeName, encodeName, parseName } from '../../core/name.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { Commands } from './commands.js';
import { driverOf, type PostgresClient } from './drivers/shape.js';
import { type PostgresOptions, parseOptions } from './options.js';
import { asciiName } from './sql/text.js';

export interface PostgresRecords extends Records {
  close(): Promise<void>;
}

export type PostgresRecordsOptions = Pick<PostgresOptions, 'schema' | 'commandTimeoutMs'>;

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
    async close() {
      commands.close();
      await driver.close();
    },
  };
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
  const record: StoredRecord = { key, value: decodeName(value), version, storeTimeMs, expiresAtMs: expires ?? undefined };
  return { written, record };
}
