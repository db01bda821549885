import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { slotOf } from '../../src/backends/redis/drivers/slot.js';
import { redis } from '../../src/backends/redis/index.js';
import type { Backend } from '../../src/core/backend.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { openRedis } from '../support/redis-clients.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { type RedisServer, redisIsMissing } from '../support/redis-server.js';

/** Every test has a name, hence a slot, of its own. */
let names = 0;
function freshName(): { readonly name: string; readonly key: string } {
  names += 1;
  return { name: `c-${names}`, key: `holdfast:c-${names}` };
}

describe.skipIf(redisIsMissing)('a Cluster', () => {
  let cluster: RedisCluster;
  const open: Backend[] = [];
  const opened = async (library: string) => {
    const backend = await openRedis(library, cluster.url);
    open.push(backend);
    return backend;
  };
  beforeAll(async () => {
    cluster = await RedisCluster.start(3, 1);
  });
  afterAll(() => cluster?.stop());
  afterEach(async () => {
    for (const backend of open.splice(0)) await backend.close();
  });

  it('has its keys in the slots where we look for them', async () => {
    for (const name of ['', 'a', '123456789', 'holdfast:payment:é', 'x'.repeat(300)]) {
      expect(await cluster.masters[0]?.command('CLUSTER', 'KEYSLOT', name)).toBe(`:${slotOf(name)}\r\n`);
    }
  });

  describe.each(['ioredis 5', 'node-redis 5', 'ioredis 6', 'node-redis 6'])('through %s', (library) => {
    it('shows the locks of all masters', async () => {
      const store = await opened(library);
      const asks = Array.from({ length: 20 }, (_, n) => ask(`list-${n}`));
      for (const one of asks) await store.acquire(one);
      expect((await recordsOf(store, 'list-')).length).toBe(asks.length);
      expect((await store.renew(asks.map(heldOf))).every(({ outcome }) => outcome === 'renewed')).toBe(true);
      for (const one of asks) await store.release(heldOf(one));
    });

    it('keeps its holds while their slot moves, and hands them on afterwards', async () => {
      const store = await opened(library);
      const { name, key } = freshName();
      const [own, reader] = [ask(name), ask(name, { mode: 'shared', enqueue: true })];
      await store.acquire(own);
      expect(await store.acquire(reader)).toMatchObject({ because: 'held' });
      const move = await Move.begin(cluster, key);
      expect(await store.renew([heldOf(own)])).toMatchObject([{ outcome: 'renewed' }]);
      await move.take(key);
      expect(await store.renew([heldOf(own)])).toMatchObject([{ outcome: 'renewed' }]);
      const releasing = store.release(heldOf(own));
      await sleep(50);
      await move.finish();
      expect(await releasing).toBe('released');
      expect(await store.acquire(reader)).toMatchObject({ outcome: 'granted' });
      expect(await store.renew([heldOf(reader)])).toMatchObject([{ outcome: 'renewed' }]);
      await store.release(heldOf(reader));
    });

    it('does nothing by halves while the keys of a name are apart', async () => {
      const store = await opened(library);
      const { name, key } = freshName();
      const [own, waiter] = [ask(name), ask(name, { enqueue: true })];
      await store.acquire(own);
      await store.acquire(waiter);
      const move = await Move.begin(cluster, key);
      await move.take(`{${key}}:who`);
      const short = { ...heldOf(own), ttlMs: 400 };
      await expect(store.release(short)).rejects.toMatchObject({ permanent: false });
      expect(await store.renew([heldOf(own)])).toMatchObject([{ outcome: 'renewed' }]);
      await move.finish();
      // The client library may still be sending the first one again.
      expect(['released', 'absent']).toContain(await store.release(heldOf(own)));
      expect(await store.acquire(waiter)).toMatchObject({ outcome: 'granted' });
      await store.release(heldOf(waiter));
    });
  });

  it('is listened to at another node when one dies', async () => {
    for (const library of ['ioredis 5', 'node-redis 5']) {
      const store = await opened(library);
      let wakes = 0;
      store.watch(ask('c').name, () => {
        wakes += 1;
      });
      const woken = async (times: number) => {
        for (const endMs = performance.now() + 15_000; wakes < times && performance.now() < endMs; ) await sleep(5);
        expect(wakes).toBe(times);
      };
      await woken(1);
      for (const node of cluster.nodes) await node.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await woken(2);
    }
  });

  it.each(['ioredis 5', 'node-redis 5'])('goes on with a replica when a master dies (%s)', async (library) => {
    const store = await opened(library);
    const { name, key } = freshName();
    const own = ask(name, { ttlMs: 60_000 });
    await store.acquire(own);
    const owner = await masterOf(cluster, key);
    await owner.command('WAIT', '1', '2000');
    await owner.kill();
    try {
      let renewal = (await store.renew([heldOf(own)]))[0];
      for (const endMs = performance.now() + 20_000; renewal?.outcome === 'unknown' && performance.now() < endMs; ) {
        [renewal] = await store.renew([heldOf(own)]);
      }
      expect(renewal?.outcome).toBe('renewed');
      expect(await store.release(heldOf(own))).toBe('released');
    } finally {
      await owner.boot();
    }
    await settled(cluster);
  });

  it('takes clients with automatic pipelines, and refuses a prefix of their own', async () => {
    const { Cluster } = await import('ioredis');
    const nodes = cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port }));
    const client = new Cluster(nodes, { enableAutoPipelining: true });
    const store = redis(client);
    const asks = Array.from({ length: 20 }, (_, n) => ask(`auto-${n}`));
    expect(await Promise.all(asks.map((one) => store.acquire(one)))).toMatchObject(asks.map(() => ({ outcome: 'granted' })));
    await Promise.all(asks.map((one) => store.release(heldOf(one))));
    await store.close();
    client.disconnect();
    const prefixed = new Cluster(nodes, { lazyConnect: true, keyPrefix: 'app:' });
    expect(() => redis(prefixed)).toThrow(/prefix/);
  });
});

/** Who has a key now, whatever happened before. */
async function masterOf(cluster: RedisCluster, of: string): Promise<RedisServer> {
  for (const endMs = performance.now() + 10_000; performance.now() < endMs; await sleep(50)) {
    for (const node of cluster.nodes) {
      const answer = await node.command('GET', of).catch(() => '-');
      const role = await node.command('ROLE').catch(() => '');
      if (!answer.startsWith('-') && role.includes('master')) return node;
    }
  }
  throw new Error('no master has the slot');
}

/** Waits until every node is there and the replicas have their masters' data. */
async function settled(cluster: RedisCluster): Promise<void> {
  for (const endMs = performance.now() + 15_000; performance.now() < endMs; await sleep(50)) {
    const infos = await Promise.all(cluster.nodes.map((node) => node.command('INFO', 'replication')));
    const roles = infos.filter((info) => info.includes('role:master') || info.includes('master_link_status:up'));
    const states = await Promise.all(cluster.nodes.map((node) => node.command('CLUSTER', 'INFO')));
    const masters = infos.filter((info) => info.includes('role:master')).length;
    if (roles.length === cluster.nodes.length && masters === 3 && states.every((state) => state.includes('state:ok'))) return;
  }
  throw new Error('the Cluster did not settle');
}

/** A slot on its way from one master to another. */
class Move {
  readonly #from: RedisServer;
  readonly #to: RedisServer;
  readonly #slot: string;
  readonly #toId: string;
  readonly #cluster: RedisCluster;

  private constructor(cluster: RedisCluster, key: string, from: RedisServer, to: RedisServer, toId: string) {
    this.#cluster = cluster;
    this.#from = from;
    this.#to = to;
    this.#toId = toId;
    this.#slot = String(slotOf(key));
  }

  static async begin(cluster: RedisCluster, key: string): Promise<Move> {
    const from = await masterOf(cluster, key);
    const others: RedisServer[] = [];
    for (const node of cluster.masters) {
      if (node !== from && (await node.command('ROLE')).includes('master')) others.push(node);
    }
    const [to] = others as [RedisServer];
    const id = async (node: RedisServer) => (await node.lines('CLUSTER', 'MYID')).join('').trim();
    const move = new Move(cluster, key, from, to, await id(to));
    await to.command('CLUSTER', 'SETSLOT', move.#slot, 'IMPORTING', await id(from));
    await from.command('CLUSTER', 'SETSLOT', move.#slot, 'MIGRATING', move.#toId);
    return move;
  }

  async take(...keys: readonly string[]): Promise<void> {
    const reply = await this.#from.command('MIGRATE', '127.0.0.1', String(this.#to.port), '', '0', '5000', 'KEYS', ...keys);
    expect(reply).toMatch(/^\+(?:OK|NOKEY)/);
  }

  async finish(): Promise<void> {
    const left = await this.#from.command('CLUSTER', 'GETKEYSINSLOT', this.#slot, '100');
    const keys = left.split('\r\n').filter((line) => line.includes('holdfast'));
    if (keys.length > 0) await this.take(...keys);
    await this.#to.command('CLUSTER', 'SETSLOT', this.#slot, 'NODE', this.#toId);
    await this.#from.command('CLUSTER', 'SETSLOT', this.#slot, 'NODE', this.#toId);
    for (const node of this.#cluster.masters) await node.command('CLUSTER', 'SETSLOT', this.#slot, 'NODE', this.#toId);
  }
}
