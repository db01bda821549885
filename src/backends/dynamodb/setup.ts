import { Calls, messageOf } from '../../core/calls.js';
import { systemPorts, type Timer } from '../../core/clock.js';
import type { CallOptions, DynamoDBMethods } from './client.js';
import { isNamed } from './errors.js';

const stepMs = 10_000;
/** A table takes some five to ten seconds. */
const lookEveryMs = 500;
const looksMax = 120;

/**
 * Makes the table, behind the calls that missed it: it takes longer than most of them may. They say that it is being
 * made and are sent again by core.
 */
export class Setup {
  /** Why it cannot be made; undefined while it can. */
  failure: unknown;
  readonly #methods: DynamoDBMethods;
  readonly #table: string;
  readonly #ports = systemPorts();
  readonly #calls = new Calls(this.#ports);
  #running = false;
  #closed = false;
  #pause: { readonly timer: Timer; readonly end: () => void } | undefined;

  constructor(methods: DynamoDBMethods, table: string) {
    this.#methods = methods;
    this.#table = table;
  }

  start(): void {
    if (this.#running || this.#closed) return;
    this.#running = true;
    this.#make()
      .then(
        () => {
          this.failure = undefined;
        },
        (error: unknown) => {
          this.failure = error;
        },
      )
      .finally(() => {
        this.#running = false;
      });
  }

  close(): void {
    this.#closed = true;
    this.#pause?.timer.cancel();
    this.#pause?.end();
  }

  async #make(): Promise<void> {
    const TableName = this.#table;
    await this.#step('making the table', (options) =>
      this.#methods.createTable(
        {
          TableName,
          AttributeDefinitions: [{ AttributeName: 'name', AttributeType: 'S' }],
          KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
          BillingMode: 'PAY_PER_REQUEST',
        },
        options,
      ),
    ).catch((error: unknown) => {
      // Another process was faster.
      if (!isNamed(error, 'ResourceInUseException')) throw error;
    });
    for (let looks = 0; !this.#closed && looks < looksMax; looks++) {
      if (await this.#isActive()) break;
      await this.#wait();
    }
    if (!this.#closed) await this.#sweep();
  }

  async #isActive(): Promise<boolean> {
    try {
      const { Table } = await this.#step('looking at the table', (options) =>
        this.#methods.describeTable({ TableName: this.#table }, options),
      );
      return Table?.TableStatus === 'ACTIVE';
    } catch (error) {
      // A table that was just made may not be known everywhere.
      if (isNamed(error, 'ResourceNotFoundException')) return false;
      throw error;
    }
  }

  /** Without it, names that nobody uses any more stay; no lock depends on it. */
  async #sweep(): Promise<void> {
    const TimeToLiveSpecification = { Enabled: true, AttributeName: 'expires_at' };
    await this.#step('setting the TTL attribute', (options) =>
      this.#methods.updateTimeToLive({ TableName: this.#table, TimeToLiveSpecification }, options),
    ).catch((error: unknown) => {
      // Set already, by whoever else made the table.
      if (/already enabled/i.test(messageOf(error))) return;
      this.#ports.warn(`the table "${this.#table}" was made without a TTL attribute; probe() says how to set it`, error);
    });
  }

  #step<T>(doing: string, call: (options: CallOptions) => Promise<T>): Promise<T> {
    const aborting = new AbortController();
    return new Promise((resolve, reject) => {
      const failed = (error: unknown) => {
        aborting.abort();
        reject(error);
      };
      const send = () => call({ abortSignal: aborting.signal });
      this.#calls.within(stepMs, this.#ports.now(), `DynamoDB: ${doing}`, send, resolve, failed);
    });
  }

  #wait(): Promise<void> {
    return new Promise((end) => {
      this.#pause = { timer: this.#ports.timer(lookEveryMs, end, true), end };
    });
  }
}
