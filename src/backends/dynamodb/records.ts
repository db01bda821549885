import { randomBytes } from 'node:crypto';
import { BackendCorruptError, InvalidArgumentError } from '../../core/errors.js';
import { decodeName, encodeName, parseName } from '../../core/name.js';
import { unlessDamaged } from '../../core/record-list.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { type AttributeValue, type DynamoDBClient, driverOf, type Item, type Key } from './client.js';
import { namesIn } from './expressions.js';
import { number, text } from './item.js';
import { Keys } from './keys.js';
import { type DynamoDBOptions, parseOptions } from './options.js';
import { Table, type Trip } from './table.js';

export interface DynamoDBRecords extends Records {
  close(): Promise<void>;
}

export type DynamoDBRecordsOptions = Pick<DynamoDBOptions, 'table' | 'prefix' | 'create' | 'commandTimeoutMs'>;

/** Three thousand years. */
const ttlMsMax = 1e14;
/** A record that is over is left to the table's TTL only when no clock can be in doubt about it. */
const sweepAfterMs = 86_400_000;
const stepsMax = 5;

const startsSo = 'begins_with(#name, :start)';
const unwritten = 'attribute_not_exists(#version)';

/**
 * Records with compare-and-set in DynamoDB, in the table of the leases or another one like it. Their time is the service's, as it
 * stands in the header of each answer: processes agree on it within some two seconds. With versions of the SDK that note it only when it is
 * minutes off, within minutes.
 *
 * A write that the SDK sent again is recognised by its version, and never told to be in conflict with itself. The client stays
 * the application's. Methods throw InvalidArgumentError for a key of more than 512 bytes, LimitExceededError for a value of more than
 * some 400 KB, BackendUnavailableError, OutcomeUnknownError, BackendCorruptError and, after `close`, ClosedError.
 *
 * @throws InvalidArgumentError
 */
export function dynamodbRecords(client: DynamoDBClient, options?: DynamoDBRecordsOptions): DynamoDBRecords {
  const settings = parseOptions(options);
  const table = new Table(driverOf(client), settings);
  return {
    ...recordsIn(table, new Keys(settings.prefix), settings.commandTimeoutMs),
    async close() {
      table.close();
    },
  };
}

/** The records in a table, which stays the caller's. */
export function recordsIn(table: Table, keys: Keys, commandTimeoutMs: number): Records {
  const store = new Store(table, keys, commandTimeoutMs);
  return {
    get: (key) => store.get(key),
    create: (key, value, ttlMs) => store.write(key, undefined, value, ttlMs),
    compareAndSet: (key, version, value, ttlMs) => store.write(key, version, value, ttlMs),
    list: (prefix) => store.list(prefix),
  };
}

class Store {
  readonly #table: Table;
  readonly #keys: Keys;
  readonly #timeoutMs: number;

  constructor(table: Table, keys: Keys, timeoutMs: number) {
    this.#table = table;
    this.#keys = keys;
    this.#timeoutMs = timeoutMs;
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    const at = this.#keys.ofRecord(parseName(key));
    return this.#recordOf(key, await this.#table.trip(this.#timeoutMs).get(at));
  }

  /** @param over the version that is to be replaced; undefined: there must be none */
  async write(key: string, over: string | undefined, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    const at = this.#keys.ofRecord(parseName(key));
    checkTtl(ttlMs);
    const trip = this.#table.trip(this.#timeoutMs);
    // A write needs the time, and the first answer brings it.
    if (!this.#table.knowsTime) await trip.get(at);
    // Never used again, also when the item is long gone.
    const version = randomBytes(12).toString('hex');
    let record: StoredRecord | undefined;
    for (let steps = 0; steps < stepsMax; steps++) {
      const answer = await this.#try(trip, at, over, version, value, ttlMs);
      if (answer.done || answer.item?.['version']?.S === version) {
        return { written: true, record: this.#written(key, version, value, ttlMs, answer.sentMs) };
      }
      record = this.#recordOf(key, answer.item);
      // Its time was over between the write and the look.
      if (over === undefined && record === undefined) continue;
      break;
    }
    return { written: false, record };
  }

  /** Reads the whole table, page by page: DynamoDB has no order of keys that a prefix could use. */
  async *list(prefix: string): AsyncGenerator<StoredRecord> {
    let from: Key | undefined;
    do {
      const scan = {
        TableName: this.#table.name,
        ConsistentRead: true,
        FilterExpression: startsSo,
        ExpressionAttributeNames: namesIn(startsSo),
        ExpressionAttributeValues: { ':start': text(this.#keys.startOfRecords(prefix)) },
        ...(from === undefined ? {} : { ExclusiveStartKey: from }),
      };
      const page = await this.#table.call('listing records', this.#timeoutMs, false, (methods, options) =>
        methods.scan(scan, options),
      );
      for (const item of (page.Items ?? []) as Item[]) {
        const key = this.#keys.recordKey(item['name']?.S ?? '');
        const record = key.startsWith(prefix) ? await unlessDamaged(() => this.#recordOf(key, item)) : undefined;
        if (record !== undefined) yield record;
      }
      from = page.LastEvaluatedKey as Key | undefined;
    } while (from !== undefined);
  }

  async #try(trip: Trip, at: string, over: string | undefined, version: string, value: string, ttlMs: number | undefined) {
    const sentMs = this.#table.wallMs();
    const values: Record<string, AttributeValue> = {
      ':version': text(version),
      ':value': text(encodeName(value)),
      ':now': number(sentMs),
      ...(over === undefined ? {} : { ':over': text(over) }),
      ...(ttlMs === undefined ? {} : endOf(sentMs, ttlMs)),
    };
    const set = 'SET #version = :version, #value = :value, #written_ms = :now';
    const update = ttlMs === undefined ? `${set} REMOVE #ends_ms, #expires_at` : `${set}, #ends_ms = :ends, #expires_at = :sweep`;
    const when =
      over === undefined
        ? `${unwritten} OR #ends_ms <= :now`
        : '#version = :over AND (attribute_not_exists(#ends_ms) OR #ends_ms > :now)';
    const answer = await trip.update('writing a record', at, { update, when, values });
    return { done: answer.done, item: answer.done ? undefined : answer.item, sentMs };
  }

  #written(key: string, version: string, value: string, ttlMs: number | undefined, sentMs: number): StoredRecord {
    return {
      key,
      value,
      version,
      storeTimeMs: Math.max(sentMs, this.#table.wallMs()),
      expiresAtMs: ttlMs === undefined ? undefined : sentMs + Math.ceil(ttlMs),
    };
  }

  #recordOf(key: string, item: Item | undefined): StoredRecord | undefined {
    if (item === undefined) return undefined;
    const [value, version, written, ends] = [item['value']?.S, item['version']?.S, item['written_ms']?.N, item['ends_ms']?.N];
    if (value === undefined || version === undefined || written === undefined) {
      throw new BackendCorruptError(`DynamoDB: the record "${key}" is damaged: find out who wrote it, and delete it`);
    }
    // Not before its own writing, whichever clock that was.
    const storeTimeMs = Math.max(this.#table.wallMs(), Number(written));
    const expiresAtMs = ends === undefined ? undefined : Number(ends);
    if (expiresAtMs !== undefined && expiresAtMs <= storeTimeMs) return undefined;
    return { key, value: decodeName(value), version, storeTimeMs, expiresAtMs };
  }
}

function endOf(nowMs: number, ttlMs: number): Record<string, AttributeValue> {
  const endsMs = nowMs + Math.ceil(ttlMs);
  return { ':ends': number(endsMs), ':sweep': number(Math.ceil((endsMs + sweepAfterMs) / 1_000)) };
}

function checkTtl(ttlMs: number | undefined): void {
  if (ttlMs === undefined || (ttlMs > 0 && ttlMs <= ttlMsMax)) return;
  throw new InvalidArgumentError(`the ttlMs of a record must be more than 0 and at most ${ttlMsMax}, or undefined, not ${ttlMs}`);
}
