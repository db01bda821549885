import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.js';
import { refuseUnknown } from '../../core/checks.js';
import { BackendUnavailableError, InvalidArgumentError } from '../../core/errors.js';
import { checkedResource, checkedWrite, type FencedWrite, type Guard, refuseStale } from '../../core/guard.js';
import { limits } from '../../core/limits.js';
import { SinkCalls } from '../calls.js';
import type { Expiry } from '../expiry.js';
import {
  type ConditionCheck,
  checkedClient,
  type Delete,
  type DynamoDBClient,
  isNamed,
  isRefusal,
  itemOf,
  numberIn,
  type Put,
  reasonsOf,
  type TransactItem,
  type Update,
} from './client.js';

export type { FencedWrite, Guard } from '../../core/guard.js';
export type { Attributes, AttributeValue, DynamoDBClient, TransactItem } from './client.js';
export { type FencedItemUpdate, updateFencedItem } from './item.js';

export interface DynamoDBGuardOptions {
  /** The table of the marks; its only key is the text `resource`. Default: `holdfast_marks`. `setup()` makes it. */
  readonly table?: string;
  /** Names the sink in errors. Default: `dynamodb`. */
  readonly sink?: string;
  /** How long one call may take. Default: 5,000. */
  readonly commandTimeoutMs?: number;
}

/** Collects what `run` writes, in one transaction with the check. Inputs are those of the SDK. */
export interface DynamoDBWrites {
  put(input: Put): void;
  update(input: Update): void;
  delete(input: Delete): void;
  /** A condition on an item that is not written. */
  check(input: ConditionCheck): void;
}

export interface DynamoDBGuard extends Guard<DynamoDBWrites> {
  /** Makes the table of the marks, where it is missing, and waits until it is there. */
  setup(): Promise<void>;
}

/**
 * Guards items of DynamoDB: an item for each resource keeps the mark, and one `TransactWriteItems` checks it, raises it, and does the writes that the
 * work has collected, in any tables of the account and region. Where a condition of the work's own does not hold, the SDK's `TransactionCanceledException` is
 * thrown as it is, and nothing was written; the first of its `CancellationReasons` is that of the mark.
 *
 * @throws InvalidArgumentError
 */
export function dynamodbGuard(client: DynamoDBClient, options: DynamoDBGuardOptions = {}): DynamoDBGuard {
  return new MarksInDynamoDB(checkedClient(client), options);
}

/** Items of one transaction of DynamoDB, less the mark. */
const writesMax = 99;

class Writes implements DynamoDBWrites {
  readonly all: TransactItem[] = [];
  #sealed = false;

  put(input: Put): void {
    this.#add({ Put: input });
  }

  update(input: Update): void {
    this.#add({ Update: input });
  }

  delete(input: Delete): void {
    this.#add({ Delete: input });
  }

  check(input: ConditionCheck): void {
    this.#add({ ConditionCheck: input });
  }

  /** The work is over: what comes later would not be written. */
  seal(): void {
    this.#sealed = true;
  }

  #add(item: TransactItem): void {
    if (this.#sealed)
      throw new InvalidArgumentError('the work is over, and what is added now would not be written: await all of it');
    if (this.all.length === writesMax)
      throw new InvalidArgumentError(`a transaction of DynamoDB has room for ${writesMax} writes beside the mark`);
    this.all.push(item);
  }
}

class MarksInDynamoDB implements DynamoDBGuard, Expiry {
  readonly sink: string;
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #calls: SinkCalls;

  constructor(client: DynamoDBClient, options: DynamoDBGuardOptions) {
    refuseUnknown(options, ['table', 'sink', 'commandTimeoutMs']);
    const { table = 'holdfast_marks', sink = 'dynamodb', commandTimeoutMs } = options;
    this.#client = client;
    this.sink = sink;
    this.#table = table;
    this.#calls = new SinkCalls(sink, commandTimeoutMs);
  }

  async run<T>(write: FencedWrite, work: (writes: DynamoDBWrites) => T | Promise<T>): Promise<T> {
    const { resource, fence, encoded } = checkedWrite(write);
    const writes = new Writes();
    const value = await work(writes);
    writes.seal();
    const TransactItems = [{ Update: this.#raising(encoded, fence, '<=') }, ...writes.all];
    // The service does what has the same token once, however often it is sent within ten minutes.
    const input = { TransactItems, ClientRequestToken: randomUUID() };
    const outcome = await this.#whileInConflict('writing', async () => {
      try {
        await this.#client.transactWriteItems(input);
        return undefined;
      } catch (error) {
        const reasons = reasonsOf(error);
        if (reasons.length === 0 || reasons.some(({ Code }) => Code === 'TransactionConflict')) throw error;
        return { error, mine: reasons[0] };
      }
    });
    if (outcome === undefined) return value;
    if (outcome.mine?.Code !== 'ConditionalCheckFailed') throw outcome.error;
    const mark = numberIn(outcome.mine.Item, 'fence') ?? (await this.mark(resource)) ?? 0n;
    refuseStale(this.sink, { resource, fence }, mark);
    throw this.#calls.unavailable(
      'checking the fence',
      outcome.error,
      'the mark was changed by something else meanwhile: run it again',
    );
  }

  async raise(write: FencedWrite): Promise<bigint> {
    const { resource, fence, encoded } = checkedWrite(write);
    const higher = await this.#whileInConflict('raising the mark', async () => {
      try {
        await this.#client.updateItem(this.#raising(encoded, fence, '<'));
        return undefined;
      } catch (error) {
        if (!isNamed(error, 'ConditionalCheckFailedException')) throw error;
        return { mark: numberIn(itemOf(error), 'fence') };
      }
    });
    if (higher === undefined) return fence;
    return higher.mark ?? (await this.mark(resource)) ?? fence;
  }

  async mark(resource: string): Promise<bigint | undefined> {
    return numberIn(await this.#item(checkedResource(resource)), 'fence');
  }

  async setup(): Promise<void> {
    const table = {
      TableName: this.#table,
      AttributeDefinitions: [{ AttributeName: 'resource', AttributeType: 'S' as const }],
      KeySchema: [{ AttributeName: 'resource', KeyType: 'HASH' as const }],
      BillingMode: 'PAY_PER_REQUEST' as const,
    };
    try {
      await this.#calls.before('making the table', () => this.#client.createTable(table));
    } catch (error) {
      if (!isNamed((error as Error).cause, 'ResourceInUseException')) throw error;
    }
    for (let tries = 1; tries <= 60; tries++) {
      const { Table } = await this.#calls.before('looking for the table', () =>
        this.#client.describeTable({ TableName: this.#table }),
      );
      if (Table?.TableStatus === 'ACTIVE') return;
      await sleep(500);
    }
    throw new BackendUnavailableError(`${this.sink}: the table "${this.#table}" is being made: ask again in some seconds`);
  }

  async expiryOf(resource: string): Promise<string | undefined> {
    const ask = () => this.#client.describeTimeToLive({ TableName: this.#table });
    const { TimeToLiveDescription: ttl } = await this.#calls.before('looking for a TTL', ask);
    const name = ttl?.AttributeName;
    if (ttl?.TimeToLiveStatus !== 'ENABLED' || name === undefined) return undefined;
    const item = await this.#item(checkedResource(resource));
    if (item === undefined || !(name in item)) return undefined;
    return `the item has the attribute "${name}", with which the table "${this.#table}" deletes it: take the attribute away`;
  }

  /** Conflicts with other transactions are no answer: nothing was done, and it is asked again until the deadline. */
  async #whileInConflict<T>(doing: string, call: () => Promise<T>): Promise<T> {
    const endMs = performance.now() + this.#calls.timeoutMs;
    for (let tries = 1; ; tries++) {
      try {
        return await this.#calls.writing(doing, call, (error) => isRefusal(error) || isConflict(error));
      } catch (error) {
        if (!isConflict((error as Error).cause)) throw error;
        const pauseMs = backoffMs(tries, limits.backoffMsMin, 250, Math.random());
        if (performance.now() + pauseMs > endMs) throw error;
        await sleep(pauseMs);
      }
    }
  }

  async #item(encoded: string): Promise<object | undefined> {
    const input = { TableName: this.#table, Key: keyOf(encoded), ConsistentRead: true };
    return (await this.#calls.before('reading the mark', () => this.#client.getItem(input))).Item;
  }

  #raising(encoded: string, fence: bigint, comparison: '<' | '<='): Update {
    return {
      TableName: this.#table,
      Key: keyOf(encoded),
      UpdateExpression: 'SET #fence = :fence',
      ConditionExpression: `attribute_not_exists(#fence) OR #fence ${comparison} :fence`,
      ExpressionAttributeNames: { '#fence': 'fence' },
      ExpressionAttributeValues: { ':fence': { N: String(fence) } },
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    };
  }
}

/** A key may not be empty. */
function keyOf(encoded: string): { resource: { S: string } } {
  return { resource: { S: `mark:${encoded}` } };
}

function isConflict(error: unknown): boolean {
  if (isNamed(error, 'TransactionConflictException', 'TransactionInProgressException')) return true;
  return reasonsOf(error).some(({ Code }) => Code === 'TransactionConflict');
}
