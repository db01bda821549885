import { Calls } from '../../core/calls.js';
import { type Instant, type Ports, systemPorts } from '../../core/clock.js';
import { BackendUnavailableError, ClosedError, OutcomeUnknownError } from '../../core/errors.js';
import type { AttributeValue, CallOptions, Driver, DynamoDBMethods, Item } from './client.js';
import { fault, isNamed, missingTable, wasResent } from './errors.js';
import { type Change, namesIn } from './expressions.js';
import type { Settings } from './options.js';
import { ServiceClock } from './service-clock.js';
import { Setup } from './setup.js';
import { Turns } from './turns.js';

/** An update that was done; or its condition did not hold, or it was done with a time that is wrong and has to be done again. */
export type Updated =
  | { readonly done: true }
  | {
      readonly done: false;
      /** What stood there instead. */
      readonly item: Item | undefined;
      /** It may have been done, or an earlier copy of it that the SDK has sent. */
      readonly resent: boolean;
    };

/**
 * A time that was written may be off by this much. `deadAfterMs` is thirty times as long, and with versions of the SDK that note the
 * service's clock only when it is minutes off, it has to be.
 */
const nowOffMaxMs = 60_000;

/** The table that all leases of a backend are in: calls with a deadline, whatever the client library does. */
export class Table {
  readonly ports: Ports = systemPorts();
  readonly #driver: Driver;
  readonly #settings: Settings;
  readonly #calls = new Calls(this.ports);
  readonly #turns = new Turns();
  readonly #clock = new ServiceClock();
  readonly #setup: Setup;
  #closed = false;

  constructor(driver: Driver, settings: Settings) {
    this.#driver = driver;
    this.#settings = settings;
    this.#setup = new Setup(driver.methods, settings.table);
  }

  get name(): string {
    return this.#settings.table;
  }

  /** This machine's wall clock, corrected where it does not fit the service's. */
  wallMs(): number {
    return Math.round(this.ports.now().wallMs + this.#clock.correctionMs);
  }

  /** Whether the service's clock has been heard of. */
  get knowsTime(): boolean {
    return this.#clock.known;
  }

  /**
   * Whether a time that was written is one that nobody may go by: the first answer can tell that our clock is wrong, and the SDK, when
   * the service refuses it for that, signs the same request again.
   */
  isWrong(now: AttributeValue | undefined): boolean {
    return now !== undefined && 'N' in now && Math.abs(this.wallMs() - Number(now.N)) > nowOffMaxMs;
  }

  /** Several calls under one deadline. */
  trip(timeoutMs: number): Trip {
    return new Trip(this, this.ports.now().monotonicMs + timeoutMs, timeoutMs, false);
  }

  /** The same, each under a deadline of its own too, and before whatever else waits for its turn. */
  renewalTrip(timeoutMs: number, callTimeoutMs: number): Trip {
    return new Trip(this, this.ports.now().monotonicMs + timeoutMs, callTimeoutMs, true);
  }

  /**
   * @param writes whether it may change something, so that no answer leaves a doubt
   * @throws ClosedError, BackendUnavailableError, OutcomeUnknownError, NotSupportedError, LimitExceededError
   */
  async call<T>(
    doing: string,
    timeoutMs: number,
    writes: boolean,
    send: (methods: DynamoDBMethods, options: CallOptions) => Promise<T>,
    isRenewal = false,
  ): Promise<T> {
    this.assertOpen();
    const sentAt = this.ports.now();
    try {
      return await this.#send(doing, timeoutMs, isRenewal, send).finally(() => this.#noteTime(sentAt));
    } catch (error) {
      if (isNamed(error, 'ConditionalCheckFailedException')) throw error;
      if (!isNamed(error, 'ResourceNotFoundException')) throw fault(error, doing, writes);
      if (!this.#settings.create || this.#closed) throw missingTable(this.name, error);
      const { failure } = this.#setup;
      this.#setup.start();
      if (failure !== undefined) throw fault(failure, 'making the table', false);
      throw new BackendUnavailableError(`DynamoDB: the table "${this.name}" is being made: ask again in some seconds`, {
        cause: error,
      });
    }
  }

  #noteTime(sentAt: Instant): void {
    const now = this.ports.now();
    // Not the wall clock: a step of it is what is to be found out.
    const tookMs = Math.max(now.monotonicMs - sentAt.monotonicMs, now.uptimeMs - sentAt.uptimeMs);
    this.#clock.note(this.#driver.clockOffsetMs(), tookMs);
  }

  /** Its time also runs while it waits for its turn; what had none was never sent. */
  #send<T>(
    doing: string,
    timeoutMs: number,
    isRenewal: boolean,
    send: (methods: DynamoDBMethods, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const aborting = new AbortController();
    const turn = this.#turns.take(isRenewal);
    const begin = () => send(this.#driver.methods, { abortSignal: aborting.signal });
    return new Promise((resolve, reject) => {
      this.#calls.within(
        timeoutMs,
        this.ports.now(),
        `DynamoDB: ${doing}`,
        () => turn.begun?.then(begin) ?? begin(),
        (value) => {
          this.#turns.end(turn);
          resolve(value);
        },
        (error) => {
          const hadBegun = this.#turns.end(turn);
          // Else the SDK would go on trying.
          aborting.abort();
          reject(hadBegun ? error : noTimeLeft(doing));
        },
      );
    });
  }

  /** @throws ClosedError */
  assertOpen(): void {
    if (this.#closed) throw new ClosedError('this DynamoDB backend is closed: make a new one');
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#setup.close();
    this.#driver.close();
  }
}

/** Several calls of one operation, which share its deadline. */
export class Trip {
  readonly table: Table;
  readonly #dueMs: number;
  readonly #callTimeoutMs: number;
  readonly #isRenewal: boolean;
  /** A copy of a write may have been done, and nobody has looked yet. */
  #uncertain = false;

  constructor(table: Table, dueMs: number, callTimeoutMs: number, isRenewal: boolean) {
    this.table = table;
    this.#dueMs = dueMs;
    this.#callTimeoutMs = callTimeoutMs;
    this.#isRenewal = isRenewal;
  }

  async update(doing: string, key: string, { update, when, values }: Change): Promise<Updated> {
    const input = {
      TableName: this.table.name,
      Key: { name: { S: key } },
      UpdateExpression: update,
      ConditionExpression: when,
      ExpressionAttributeNames: namesIn(update, when),
      ExpressionAttributeValues: values,
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    } as const;
    try {
      await this.#call(doing, true, (methods, options) => methods.updateItem(input, options));
      if (!this.table.isWrong(values[':now'])) return { done: true };
      this.#uncertain = true;
      return { done: false, item: await this.get(key), resent: true };
    } catch (error) {
      if (!isNamed(error, 'ConditionalCheckFailedException')) throw error;
      const resent = wasResent(error);
      this.#uncertain ||= resent;
      const { Item: found } = error as { Item?: Item };
      // Not there, or kept back: some stand-ins for DynamoDB do not know the parameter.
      return { done: false, item: found ?? (await this.get(key)), resent };
    }
  }

  async get(key: string): Promise<Item | undefined> {
    const input = { TableName: this.table.name, Key: { name: { S: key } }, ConsistentRead: true };
    const { Item: found } = await this.#call('reading', false, (methods, options) => methods.getItem(input, options));
    return found as Item | undefined;
  }

  async #call<T>(
    doing: string,
    writes: boolean,
    send: (methods: DynamoDBMethods, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    try {
      const leftMs = Math.min(this.#callTimeoutMs, this.#dueMs - this.table.ports.now().monotonicMs);
      if (leftMs > 0) return await this.table.call(doing, leftMs, writes, send, this.#isRenewal);
      throw noTimeLeft(doing);
    } catch (error) {
      if (!this.#uncertain || !(error instanceof BackendUnavailableError)) throw error;
      throw new OutcomeUnknownError(error.message, { cause: error.cause });
    }
  }
}

/** It was not sent. */
function noTimeLeft(doing: string): BackendUnavailableError {
  const fix = 'check that the service is reachable, or use a longer TTL';
  return new BackendUnavailableError(`DynamoDB: no time was left for ${doing}: ${fix}`);
}
