import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import zk from 'node-zookeeper-client';
import { describe, expect, it } from 'vitest';
import { zookeeper } from '../../src/backends/zookeeper/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { ask } from '../support/asks.js';
import { until } from '../support/waits.js';
import { clientsOf } from '../support/zookeeper-clients.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';
import { OneServer } from './one-server.js';

interface Inside {
  readonly pendingQueue: unknown[];
  readonly socket?: { readonly destroyed: boolean };
  onSocketData(this: Inside, bytes: Buffer): void;
}

describe.skipIf(zookeeperIsMissing)('the client library', () => {
  const scene = new OneServer();

  it('an answer that the library cannot read costs one connection, and not every one after it', async () => {
    let isUnreadable = false;
    let connections = 0;
    const behind = zookeeper((sessionTimeout) => {
      const client = zk.createClient(scene.server.address, { sessionTimeout, spinDelay: 20 });
      const inside = (client as unknown as { connectionManager: Inside }).connectionManager;
      const read = inside.onSocketData;
      inside.onSocketData = (bytes) => {
        if (!isUnreadable || inside.pendingQueue.length === 0) return read.call(inside, bytes);
        isUnreadable = false;
        // What it does with a code that it does not know, as that of a quota.
        inside.pendingQueue.shift();
        throw new Error('Unknown code: -125');
      };
      client.on('connected', () => {
        connections += 1;
      });
      return client;
    });
    await behind.acquire(ask('warm-up', { ttlMs: 4_000 }));
    isUnreadable = true;
    await expect(behind.acquire(ask('job', { ttlMs: 4_000 }))).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await until(() => connections === 2, 'it has connected again');
    await sleep(1_500);
    expect(connections).toBe(2);
    await behind.close();
  });

  it('a silent server is left in time, also where sessions are much shorter than wanted', async () => {
    const short = await ZooKeeperServer.start({ maxSessionTimeout: 3_000 });
    const proxy = await FaultProxy.start(short.port);
    let left = 0;
    const behind = zookeeper((sessionTimeout) => {
      const client = clientsOf(`127.0.0.1:${proxy.port}`)(sessionTimeout);
      client.on('disconnected', () => {
        left += 1;
      });
      return client;
    });
    await behind.acquire(ask('warm-up', { ttlMs: 60_000 }));
    const silent = proxy.once('/locks/job/hx-', 'swallow-replies');
    const asked = behind.acquire(ask('job', { ttlMs: 60_000 })).catch(() => {});
    await silent;
    await until(() => left > 0, 'it is left', 1_500);
    proxy.speak();
    await asked;
    await behind.close();
    await proxy.close();
    await short.stop();
  });
});

describe('servers that are silent', () => {
  it('no connection is left to them that was about to be made when the backend was closed', async () => {
    let open = 0;
    const silent = createServer((socket) => {
      open += 1;
      socket.on('close', () => {
        open -= 1;
      });
      socket.resume();
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    let client: zk.Client | undefined;
    const store = zookeeper((sessionTimeout) => {
      client = zk.createClient(`127.0.0.1:${(silent.address() as AddressInfo).port}`, { sessionTimeout, spinDelay: 500 });
      return client;
    });
    const asked = expect(store.acquire(ask('job', { ttlMs: 5_000 }))).rejects.toMatchObject({ name: expect.any(String) });
    const inside = () => (client as unknown as { connectionManager: Inside }).connectionManager;
    // The library pauses before it goes through all servers again.
    await until(() => client !== undefined && inside().socket?.destroyed === true, 'a pause');
    await store.close();
    await asked;
    await sleep(1_000);
    expect(open).toBe(0);
    await new Promise((resolve) => silent.close(resolve));
  });
});
