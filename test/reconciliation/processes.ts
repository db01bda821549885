import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import type { Records } from '../../src/core/records.js';
import { type IdempotencyRecord, parseRecord } from '../../src/idempotency/record.js';
import { recordKeyOf } from '../../src/idempotency/signature.js';
import { PostgresServer } from '../support/postgres-server.js';
import { Processes, type Worker } from '../support/processes.js';
import { until } from '../support/waits.js';
import { signalTo } from '../support/stand-still.js';

export type Said = Record<string, unknown>;

/** A process, and everything that it has said so far. */
export class Player {
  readonly worker: Worker;
  readonly said: Said[] = [];

  constructor(worker: Worker) {
    this.worker = worker;
    void this.#listen();
  }

  async #listen(): Promise<void> {
    for (;;) this.said.push(await this.worker.next());
  }

  /** The first line that has all of this. */
  async says(wanted: Said, withinMs = 15_000): Promise<Said> {
    const find = () => this.said.find((line) => Object.entries(wanted).every(([name, value]) => line[name] === value));
    await until(() => find() !== undefined, `${JSON.stringify(wanted)}, of ${JSON.stringify(this.said)}`, withinMs).catch(() => {
      throw new Error(`not said: ${JSON.stringify(wanted)}; only ${JSON.stringify(this.said)}`);
    });
    return find() as Said;
  }

  signal(signal: NodeJS.Signals): void {
    signalTo(this.worker.child, signal);
  }

  say(words: string): void {
    this.worker.say(words);
  }
}

/** A sink in PostgreSQL whose charges are guarded, originals and reconcilers in processes of their own. */
export class Stage {
  sink!: PostgresServer;
  readonly #processes: Processes;
  readonly #store: string;
  readonly #url: () => string;
  readonly #records: () => Records;
  #keys = 0;

  constructor(store: string, url: () => string, records: () => Records) {
    this.#store = store;
    this.#url = url;
    this.#records = records;
    const parts = ['core', 'election', 'guards', 'idempotency', 'backends/postgres', `backends/${store}`];
    this.#processes = new Processes([...new Set(parts)], new URL('worker.mjs', import.meta.url));
    beforeAll(async () => {
      this.sink = await PostgresServer.start();
      await this.sink.rows('CREATE TABLE charges (key text NOT NULL, by text NOT NULL)');
    });
    beforeEach(() => this.sink.rows('DELETE FROM charges'));
    afterAll(() => this.sink.stop());
  }

  newKey(): string {
    this.#keys += 1;
    return `order ${this.#keys}`;
  }

  original(key: string, leaseTtlMs = 1_500): Player {
    return this.#start('original', key, String(leaseTtlMs));
  }

  reconciler(key: string, verdict: string, pauseAt = 'never', blind = 'seeing'): Player {
    return this.#start('reconciler', key, verdict, pauseAt, blind);
  }

  #start(role: string, ...more: string[]): Player {
    return new Player(this.#processes.start([role, this.#store, this.#url(), this.sink.url, ...more]));
  }

  async record(key: string): Promise<IdempotencyRecord | undefined> {
    const recordKey = recordKeyOf({ namespace: 'default', tenant: undefined, operation: `charge ${key}`, key });
    const stored = await this.#records().get(recordKey);
    return stored === undefined ? undefined : parseRecord(stored.value);
  }

  async becomes(key: string, state: string): Promise<IdempotencyRecord> {
    await until(async () => (await this.record(key))?.state === state, `"${key}" becomes ${state}`, 15_000);
    return (await this.record(key)) as IdempotencyRecord;
  }

  async charges(key: string): Promise<readonly unknown[]> {
    return this.sink.rows('SELECT by FROM charges WHERE key = $1', [key]);
  }

  /** A request whose process was killed after its effect was marked: nobody has seen yet that its lease ends. */
  async orphan(): Promise<string> {
    const key = this.newKey();
    const original = this.original(key);
    await original.says({ at: 'handler' });
    original.signal('SIGKILL');
    await original.worker.exited;
    return key;
  }
}

/** What the older of two reconcilers did after the newer had begun: nothing. */
export async function expectUntouched(stage: Stage, key: string, before: IdempotencyRecord | undefined): Promise<void> {
  expect(before).toBeDefined();
  expect(await stage.record(key)).toEqual(before);
}
