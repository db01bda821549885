import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import zk from 'node-zookeeper-client';
import { type ClientFactory, type ZooKeeperOptions, zookeeper } from '../../src/backends/zookeeper/index.js';
import type { Backend } from '../../src/core/backend.js';

export function openZooKeeper(addresses: string, options?: ZooKeeperOptions): Backend {
  return zookeeper(clientsOf(addresses), options);
}

export function clientsOf(addresses: string): ClientFactory {
  return (sessionTimeout) => zk.createClient(addresses, { sessionTimeout, spinDelay: 100 });
}

/** A client of its own, past everything that is tested. */
export class Operator {
  readonly client: zk.Client;

  private constructor(client: zk.Client) {
    this.client = client;
  }

  static async connect(address: string): Promise<Operator> {
    const client = zk.createClient(address, { sessionTimeout: 30_000, spinDelay: 50 });
    const connected = new Promise<void>((resolve) => client.once('connected', resolve));
    client.connect();
    await connected;
    return new Operator(client);
  }

  children(path: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) =>
      this.client.getChildren(path, (error, children) => {
        if (error && (error as zk.Exception).code !== zk.Exception.NO_NODE) reject(error);
        else resolve(children ?? []);
      }),
    );
  }

  create(path: string): Promise<void> {
    return new Promise((resolve, reject) => this.client.create(path, (error) => (error ? reject(error) : resolve())));
  }

  remove(path: string): Promise<void> {
    return new Promise((resolve, reject) => this.client.remove(path, (error) => (error ? reject(error) : resolve())));
  }

  async removeAll(path: string): Promise<void> {
    for (const child of await this.children(path)) await this.removeAll(`${path}/${child}`);
    await this.remove(path);
  }

  /** Ends somebody else's. */
  static async endSession(address: string, sessionId: Buffer, sessionPassword: Buffer): Promise<void> {
    const options = { sessionTimeout: 30_000, sessionId, sessionPassword };
    const client = zk.createClient(address, options as { sessionTimeout: number });
    // It may have been ended before.
    const settled = Promise.race(
      ['connected', 'expired'].map((event) => new Promise((resolve) => client.once(event, () => resolve(event)))),
    );
    client.connect();
    if ((await settled) === 'connected') await new Operator(client).close();
  }

  async close(): Promise<void> {
    this.client.close();
    await new Promise<void>((resolve) => this.client.once('disconnected', resolve));
  }
}

/** Names that are used again are left alone for a moment. */
const tidyMs = 3_000;

/** No name is left, whatever became of those who used it, but for those of which somebody may still be told that it was revoked. */
export async function assertTreeClean(addresses: string, root = '/holdfast'): Promise<void> {
  const operator = await Operator.connect(addresses);
  try {
    let left: unknown[] = [];
    for (const endMs = performance.now() + tidyMs; ; await sleep(100)) {
      left = [];
      for (const name of await operator.children(`${root}/locks`)) {
        const children = await operator.children(`${root}/locks/${name}`);
        const isOver =
          children.length > 0 &&
          children.every((child) => /^[rg]-/.test(child)) &&
          children.some((child) => child.startsWith('r-'));
        if (!isOver) left.push([name, ...children]);
      }
      if (left.length === 0 || performance.now() > endMs) break;
    }
    assert.deepEqual(left, [], 'nothing may be left in the store');
  } finally {
    await operator.close();
  }
}
