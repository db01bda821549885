import zk from 'node-zookeeper-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { zookeeper, zookeeperFromUrl } from '../../src/backends/zookeeper/index.js';
import { parseUrl } from '../../src/backends/zookeeper/url.js';
import type { Backend } from '../../src/core/backend.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { thrownBy } from '../support/waits.js';
import { clientsOf } from '../support/zookeeper-clients.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';

describe('a URL', () => {
  it.each([
    ['zk://a', { servers: 'a:2181', login: undefined, root: '/holdfast', open: true }],
    ['zk://a:1,b:2/app', { servers: 'a:1,b:2', login: undefined, root: '/app/holdfast', open: true }],
    ['zk://u:p%40ss@a/?root=/locks', { servers: 'a:2181', login: 'u:p@ss', root: '/locks', open: false }],
    ['zk://u:p@a?acl=open', { servers: 'a:2181', login: 'u:p', root: '/holdfast', open: true }],
  ])('%s', (url, expected) => expect(parseUrl(url)).toEqual(expected));

  it.each([
    'zk://',
    'zk://a:0',
    'zk://a:70000',
    'zk://a,',
    'zk://[::1]:1',
    'zk://geheim@a',
    'zk://u:geheim@a?x=1',
    'zk://u:geheim@a?acl=x',
    'ftp://a',
    'zk://u:geheim%@a',
  ])('%s is refused, and not repeated', async (url) => {
    const error = await thrownBy(() => parseUrl(url));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((error as Error).message).not.toContain('geheim');
  });
});

describe('bad arguments', () => {
  const open = clientsOf('127.0.0.1:1');
  it.each([
    [() => zookeeper(zk.createClient('127.0.0.1:1') as never), /takes a function that makes clients/],
    [() => zookeeper(open, { root: 'x' }), /the root must be/],
    [() => zookeeper(open, { commandTimeoutMs: 1 }), /commandTimeoutMs must be/],
    [() => zookeeper(open, { acl: [] }), /acl must be a list/],
  ])('%s', async (make, message) => {
    expect(await thrownBy(make)).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) });
  });

  it('a function that returns no client, or a connected one', async () => {
    const store = zookeeper(() => ({}) as never);
    expect(await thrownBy(store.list('')[Symbol.asyncIterator]().next())).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await store.close();
  });
});

describe.skipIf(zookeeperIsMissing)('on a server', () => {
  let server: ZooKeeperServer;
  const opened: Backend[] = [];
  beforeAll(async () => {
    server = await ZooKeeperServer.start();
  });
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });
  afterAll(() => server.stop());
  const at = async (url: string) => {
    const store = await zookeeperFromUrl(url);
    opened.push(store);
    return new Holdfast(store, { ttlMs: 5_000 });
  };

  it('what somebody with a login made, nobody else may touch', async () => {
    const mine = await at(`zk://me:secret@${server.address}/private`);
    const lease = await mine.acquire('job');
    const other = await at(`zk://you:secret@${server.address}/private`);
    const error = await thrownBy(other.acquire('job', { waitMs: 0 }));
    expect(error).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      permanent: true,
      message: expect.stringContaining('may not do that'),
    });
    expect(await lease.release()).toBe('released');
    const again = await (await at(`zk://me:secret@${server.address}/private`)).acquire('job');
    expect(await again.release()).toBe('released');
  });

  it('nodes above the root are made where they are missing; that of a connection string must be there', async () => {
    const lease = await (await at(`zk://${server.address}/some/where?root=/deep/down`)).acquire('job');
    expect(await lease.release()).toBe('released');
    const store = zookeeper(clientsOf(`${server.address}/nowhere`));
    opened.push(store);
    const error = await thrownBy(new Holdfast(store, { ttlMs: 5_000 }).acquire('job'));
    expect(error).toMatchObject({ permanent: true, message: expect.stringContaining('create it, or leave it out') });
  });

  it('a client of a connection string with a node of its own', async () => {
    const root = await at(`zk://${server.address}?root=/chroot`);
    await (await root.acquire('x')).release();
    const store = zookeeper(clientsOf(`${server.address}/chroot`));
    opened.push(store);
    const locks = new Holdfast(store, { ttlMs: 5_000 });
    const lease = await locks.acquire('job');
    const waiting = locks.acquire('job');
    expect((await locks.query()).held[0]?.name).toBe('job');
    await lease.release();
    await (await waiting).release();
  });

  it('a TTL beyond what the server allows is shortened, and the lease goes on', async () => {
    const short = await ZooKeeperServer.start({ maxSessionTimeout: 1_500 });
    try {
      const store = zookeeper(clientsOf(short.address));
      opened.push(store);
      const locks = new Holdfast(store, { ttlMs: 60_000 });
      const lease = await locks.acquire('job');
      expect(lease.remainingMs).toBeLessThanOrEqual(1_000);
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      lease.assertHeld();
      expect(await lease.release()).toBe('released');
      await locks.close();
    } finally {
      await short.stop();
    }
  });
});
