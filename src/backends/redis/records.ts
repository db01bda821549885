import { InvalidArgumentError } from '../../core/errors.js';
import { decodeName, encodeName, parseName } from '../../core/name.js';
import { recordsAt } from '../../core/record-list.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { Commands, callId } from './commands.js';
import type { Driver, Reply } from './driver.js';
import { driverOf, type RedisClient } from './drivers/shape.js';
import { Keys, siblingOf } from './keys.js';
import { parseOptions, type RedisOptions } from './options.js';
import { list, misdelivered, number, text } from './replies.js';
import { recordCasScript } from './scripts/record-cas.js';
import { recordCreateScript } from './scripts/record-create.js';
import { recordGetScript } from './scripts/record-get.js';
import type { Script } from './scripts/script.js';

export interface RedisRecords extends Records {
  close(): Promise<void>;
}

export type RedisRecordsOptions = Pick<RedisOptions, 'prefix' | 'commandTimeoutMs'>;

/** Three thousand years: more would not stay exact in the server's arithmetic. */
const ttlMsMax = 1e14;

/**
 * Records with compare-and-set in Redis, on the same server as the locks or another. The store's time is the server's
 * clock. A write whose reply was lost is sent again under the same id, and never told to be in conflict with itself.
 *
 * The client stays the application's. Methods throw InvalidArgumentError for a key of more than 512 bytes,
 * BackendUnavailableError, OutcomeUnknownError, BackendCorruptError and, after `close`, ClosedError.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export function redisRecords(client: RedisClient, options?: RedisRecordsOptions): RedisRecords {
  const { prefix, commandTimeoutMs } = parseOptions(options);
  const driver = driverOf(client);
  const commands = recordCommands(driver);
  return {
    ...recordsThrough(commands, new Keys(prefix), commandTimeoutMs),
    async close() {
      commands.close();
      driver.close();
    },
  };
}

/** Whoever writes a record wants to hear at once that there is no room: a request is refused with it. */
export function recordCommands(driver: Driver): Commands {
  return new Commands(driver, undefined, { waitsForRoom: false });
}

/** The records that commands reach, which stay the caller's. */
export function recordsThrough(commands: Commands, keys: Keys, commandTimeoutMs: number): Records {
  const run = async (script: Script, key: string, args: readonly string[]): Promise<readonly Reply[]> => {
    const id = callId();
    const at = siblingOf(keys.of(parseName(key)), 'record');
    const [echo, ...reply] = list(await commands.eval(script, [at], [id, ...args], commandTimeoutMs));
    if (echo !== id) throw misdelivered();
    return reply;
  };
  const write = async (script: Script, key: string, value: string, ttlMs: number | undefined, ...rest: string[]) =>
    writeOf(await run(script, key, [encodeName(value), ttlText(ttlMs), ...rest]), key);
  const get = async (key: string) => recordOf(await run(recordGetScript, key, []), key);
  return {
    get,
    create: (key, value, ttlMs) => write(recordCreateScript, key, value, ttlMs),
    compareAndSet: (key, version, value, ttlMs) => write(recordCasScript, key, value, ttlMs, version),
    list: (prefix) => recordsAt(keysBelow(commands, keys, prefix, commandTimeoutMs), get),
  };
}

/** Walks the keyspace with SCAN, which holds nobody up. */
async function* keysBelow(commands: Commands, keys: Keys, prefix: string, timeoutMs: number): AsyncGenerator<readonly string[]> {
  for await (const found of commands.scan(keys.recordPattern(prefix), timeoutMs)) {
    yield found.map((key) => keys.nameOf(Keys.lockOfSibling(key, 'record'))).filter((name) => name.startsWith(prefix));
  }
}

function ttlText(ttlMs: number | undefined): string {
  if (ttlMs === undefined) return '';
  if (!(ttlMs > 0 && ttlMs <= ttlMsMax)) {
    throw new InvalidArgumentError(
      `the ttlMs of a record must be more than 0 and at most ${ttlMsMax}, or undefined, not ${ttlMs}`,
    );
  }
  return String(Math.ceil(ttlMs));
}

function writeOf([written, ...record]: readonly Reply[], key: string): RecordWrite {
  return { written: number(written) === 1, record: recordOf(record, key) };
}

function recordOf([now, value, version, expires]: readonly Reply[], key: string): StoredRecord | undefined {
  if (version === undefined) return undefined;
  const storeTimeMs = number(now);
  return {
    key,
    value: decodeName(text(value)),
    version: text(version),
    storeTimeMs,
    expiresAtMs: text(expires) === '' ? undefined : number(expires),
    // Its first half are the microseconds of the write.
    ageMs: Math.max(0, storeTimeMs - Math.floor(Number.parseInt(text(version), 10) / 1_000)),
  };
}
