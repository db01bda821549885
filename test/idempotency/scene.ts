import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { idempotent, type Idempotent, type IdempotentOptions } from '../../src/idempotency/index.js';
import { type IdempotencyRecord, parseRecord } from '../../src/idempotency/record.js';
import { recordKeyOf } from '../../src/idempotency/signature.js';
import type { ClosableRecords } from '../../src/testkit/index.js';
import { type Kind, open, type Store } from './stores.js';

const closeMsMax = 5_000;

/** A store and what is opened on it. */
export class Scene {
  store!: Store;
  readonly #opened: ClosableRecords[] = [];
  readonly #operations: Idempotent[] = [];

  constructor(kind: Kind) {
    beforeAll(async () => {
      this.store = await kind.start();
    });
    afterAll(async () => {
      // A test that failed leaves handlers at their gates: nothing would be said of it before this hook gives up.
      await Promise.race([Promise.all(this.#operations.map((operation) => operation.close())), sleep(closeMsMax)]);
      for (const records of this.#opened) await records.close();
      await this.store?.stop();
    });
  }

  /** As another process would have it. @param address of a proxy in front of the store, for instance */
  async records(address = this.store.address): Promise<ClosableRecords> {
    const records = await open({ name: this.store.name, address });
    this.#opened.push(records);
    return records;
  }

  async charges(options: Partial<IdempotentOptions> = {}, address?: string): Promise<Idempotent> {
    return this.over(await this.records(address), options);
  }

  over(records: ClosableRecords, options: Partial<IdempotentOptions> = {}): Idempotent {
    const operation = idempotent(records, { operation: 'charge', ...options });
    this.#operations.push(operation);
    return operation;
  }

  /** What stands in the store. */
  async recordOf(key: string, tenant?: string): Promise<IdempotencyRecord | undefined> {
    const stored = await (await this.records()).get(recordKeyOf({ namespace: 'default', tenant, operation: 'charge', key }));
    return stored === undefined ? undefined : parseRecord(stored.value);
  }
}

export function freshKey(): string {
  return randomUUID();
}

/** A promise, and who settles it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
