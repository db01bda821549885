import { setTimeout as sleep } from 'node:timers/promises';
import type { DynamoDB } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type DynamoDBClient, type DynamoDBOptions, dynamodb } from '../../src/backends/dynamodb/index.js';
import type { Ask, Backend, Grant, Refusal } from '../../src/core/backend.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { DynamoDBServer, dynaliteInMemory, type Kind } from '../support/dynamodb-server.js';
import { type Holder, Holders } from '../support/holders.js';
import { Front } from './front.js';
import { Sink } from './sink.js';

export { ask, heldOf, recordsOf } from '../support/asks.js';

export async function granted(store: Backend, one: Ask): Promise<Grant> {
  const answer = await store.acquire(one);
  if (answer.outcome !== 'granted') throw new Error(`"${one.name.text}" was refused: ${answer.because}`);
  return answer;
}

export async function refused(store: Backend, one: Ask): Promise<Refusal> {
  const answer = await store.acquire(one);
  if (answer.outcome !== 'refused') throw new Error(`"${one.name.text}" was granted`);
  return answer;
}

export interface Way {
  /** Where the store is reached, if not directly. */
  readonly port?: number;
  readonly maxAttempts?: number;
  readonly dynamodb?: DynamoDBOptions;
}

/** A server of its own, stores and holders on it, and what can be put in between. */
export class Scene {
  server!: DynamoDBServer;
  client!: DynamoDB;
  sink!: Sink;
  readonly #processes = new Holders('dynamodb');
  readonly #closing: { close(): Promise<unknown> }[] = [];
  readonly #labels = new WeakMap<Lease, string>();
  #turns = 0;

  constructor(kind: Kind = dynaliteInMemory) {
    beforeAll(async () => {
      this.server = await DynamoDBServer.start(kind);
      this.client = this.server.client();
      this.sink = new Sink(this.client);
      await this.server.makeTable();
      await this.server.makeTable('sink');
    });
    afterEach(async () => {
      for (const one of this.#closing.splice(0).reverse()) await one.close();
      await this.sink.check();
      await this.sink.clear();
    });
    afterAll(() => this.server?.stop());
  }

  /** What another process would have: its own client, its own backend. */
  store({ port, maxAttempts, dynamodb: options }: Way = {}): Backend {
    return this.storeOn(this.server.client(port, maxAttempts), options);
  }

  storeOn(client: DynamoDBClient, options?: DynamoDBOptions): Backend {
    const store = dynamodb(client, options);
    this.#closing.push(store);
    return store;
  }

  holder({ port, maxAttempts, dynamodb: options, ...rest }: Way & HoldfastOptions = {}): Holdfast {
    const locks = new Holdfast(dynamodb(this.server.client(port, maxAttempts), options), rest);
    this.#closing.push(locks);
    return locks;
  }

  async front(): Promise<Front> {
    const front = await Front.start(this.server.port);
    this.#closing.push(front);
    return front;
  }

  async proxy(): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(this.server.port);
    this.#closing.push(proxy);
    return proxy;
  }

  /** A holder in a process of its own, which can be killed and stopped. */
  holderProcess(name: string, ttlMs: number): Promise<Holder> {
    const url = `dynamodb://eu-central-1/holdfast?endpoint=http://127.0.0.1:${this.server.port}`;
    const env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
    return this.#processes.start({ url, name, ttlMs, env, sink: (fence) => this.sink.write(fence, 'process') });
  }

  /** A turn's work: two guarded writes with a pause between them. True if both were accepted. */
  async work(lease: Lease, pauseMs = 2): Promise<boolean> {
    const turn = this.#labels.get(lease) ?? `turn ${++this.#turns}`;
    this.#labels.set(lease, turn);
    const first = await this.sink.write(lease.fence, turn);
    await sleep(pauseMs);
    return (await this.sink.write(lease.fence, turn)) && first;
  }

  /** What stands in the table, as it stands there. */
  async item(name: string): Promise<Record<string, { S?: string; N?: string }> | undefined> {
    const { Item } = await this.client.getItem({
      TableName: 'holdfast',
      Key: { name: { S: `holdfast:${name}` } },
      ConsistentRead: true,
    });
    return Item as Record<string, { S?: string; N?: string }> | undefined;
  }

  /** A hand in the table. */
  async set(name: string, attribute: string, value: { S: string } | { N: string }): Promise<void> {
    await this.client.updateItem({
      TableName: 'holdfast',
      Key: { name: { S: `holdfast:${name}` } },
      UpdateExpression: 'SET #a = :v',
      ExpressionAttributeNames: { '#a': attribute },
      ExpressionAttributeValues: { ':v': value },
    });
  }

  async delete(name: string): Promise<void> {
    await this.client.deleteItem({ TableName: 'holdfast', Key: { name: { S: `holdfast:${name}` } } });
  }
}
