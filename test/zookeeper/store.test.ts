import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import zk from 'node-zookeeper-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { acquire } from '../../src/backends/zookeeper/acquiring.js';
import { grantNext, isComparable } from '../../src/backends/zookeeper/granting.js';
import { zookeeper } from '../../src/backends/zookeeper/index.js';
import { Keeping, type Kept } from '../../src/backends/zookeeper/keeping.js';
import { parseOptions } from '../../src/backends/zookeeper/options.js';
import { idOf, type View } from '../../src/backends/zookeeper/paths.js';
import { prove } from '../../src/backends/zookeeper/proving.js';
import type { Session } from '../../src/backends/zookeeper/session.js';
import { Sessions } from '../../src/backends/zookeeper/sessions.js';
import { Store } from '../../src/backends/zookeeper/store.js';
import type { Ask, Backend, Grant } from '../../src/core/backend.js';
import { Calls } from '../../src/core/calls.js';
import { systemPorts } from '../../src/core/clock.js';
import { parseName } from '../../src/core/name.js';
import { readNodeIdentity } from '../../src/core/node.js';
import { FaultProxy } from '../../src/testkit/index.js';
import { until } from '../redis/faults/scene.js';
import { clientsOf, Operator, openZooKeeper } from '../support/zookeeper-clients.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';

const name = parseName('job');
const node = readNodeIdentity();
const parent = '/holdfast/locks/job';
let owners = 0;

function ask(over: Partial<Ask> = {}): Ask {
  owners += 1;
  const owner = `owner ${owners}`;
  return { name, owner, mode: 'exclusive', ttlMs: 10_000, fences: 1, enqueue: false, node, metadata: {}, ...over };
}

describe.skipIf(zookeeperIsMissing)('the store', () => {
  let server: ZooKeeperServer;
  let operator: Operator;
  let store: Backend;
  beforeAll(async () => {
    server = await ZooKeeperServer.start();
    operator = await Operator.connect(server.address);
  });
  afterAll(async () => {
    await operator.close();
    await server.stop();
  });
  beforeEach(() => {
    store = openZooKeeper(server.address);
  });
  afterEach(async () => {
    await store.close();
    for (const child of await operator.children('/holdfast/locks')) await operator.removeAll(`/holdfast/locks/${child}`);
  });

  it('ends a hold that is not renewed after its TTL, although the session lives on', async () => {
    const other = ask({ name: parseName('other') });
    await store.acquire(other);
    const short = ask({ ttlMs: 9_000 });
    // Of the same class of TTLs, hence in the same session.
    await store.acquire({ ...short, ttlMs: 5_500 });
    const sinceMs = performance.now();
    await until(async () => (await operator.children(parent)).every((child) => !child.startsWith('h')), 'it is ended', 9_000);
    expect(performance.now() - sinceMs).toBeGreaterThan(5_000);
    expect(await store.renew([other])).toEqual([{ outcome: 'renewed', ttlMs: 10_000 }]);
    expect(await store.renew([short])).toEqual([{ outcome: 'gone' }]);
    await store.release(other);
  });

  it('ends a hold of which nobody ever heard that it was granted', async () => {
    const proxy = await FaultProxy.start(server.port);
    const behind = openZooKeeper(`127.0.0.1:${proxy.port}`);
    await behind.acquire(ask({ name: parseName('warm-up') }));
    const lost = proxy.once('/locks/job/hx-', 'lose-reply');
    await expect(behind.acquire(ask({ ttlMs: 5_500 }))).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await lost;
    const held = async () => (await operator.children(parent)).some((child) => child.startsWith('h'));
    expect(await held()).toBe(true);
    await until(async () => !(await held()), 'it is ended', 12_000);
    await behind.close();
    await proxy.close();
  });

  it('a hold of a session that is about to end is taken over into the one that renews it, with its fences', async () => {
    const old = openZooKeeper(server.address);
    const one = ask({ fences: 7 });
    const first = await old.acquire(one);
    const waiter = ask({ enqueue: true });
    expect((await store.acquire(waiter)).outcome).toBe('refused');
    const other = openZooKeeper(server.address);
    expect(await other.renew([one])).toMatchObject([{ outcome: 'renewed' }]);
    // The waiter hears that the node has gone, and is not granted what is held.
    await sleep(50);
    expect((await store.acquire(waiter)).outcome).toBe('refused');
    await old.close();
    expect(await other.renew([one])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await other.acquire(one)).toMatchObject({ outcome: 'granted', fences: (first as Grant).fences });
    expect((await store.acquire(waiter)).outcome).toBe('refused');
    expect(await other.release(one)).toBe('released');
    await until(async () => (await store.acquire(waiter)).outcome === 'granted', 'the next one has its turn');
    await store.release(waiter);
    await other.close();
  });

  it('takes a name whose nodes were half made, or made by hand', async () => {
    await store.acquire(ask({ name: parseName('warm-up') }));
    await operator.create(parent);
    const one = ask();
    expect((await store.acquire(one)).outcome).toBe('granted');
    expect((await store.acquire(ask())).outcome).toBe('refused');
    expect(await store.release(one)).toBe('released');
  });

  it('a view of an earlier life of the name is no ground for a grant', async () => {
    const sessions = new Sessions(clientsOf(server.address), new Calls(systemPorts()), () => {});
    const internal = new Store(sessions, new Calls(systemPorts()), parseOptions());
    const operation = internal.operation(10_000, 'testing');
    const look = async () => (await internal.look(operation, parent)) as View;
    const first = ask();
    await store.acquire(first);
    await isComparable(internal, { parent, operation }, await look());
    const view = await look();
    await store.release(first);
    await internal.tidying.sweep();
    expect(await internal.look(operation, parent)).toBeUndefined();
    const second = ask();
    await store.acquire(second);
    await isComparable(internal, { parent, operation }, await look());
    // The same version, of another life.
    const stale = { ...view, holders: [] };
    expect((await look()).version).toBe(stale.version);
    const third = ask();
    expect(await grantNext(internal, { ask: third, id: idOf(third.owner), parent, operation }, stale)).toBeUndefined();
    expect(await store.renew([second])).toMatchObject([{ outcome: 'renewed' }]);
    await store.release(second);
    await internal.close();
  });

  describe('what was looked at is compared when it is acted upon', () => {
    let internal: Store;
    beforeEach(() => {
      internal = new Store(
        new Sessions(clientsOf(server.address), new Calls(systemPorts()), () => {}),
        new Calls(systemPorts()),
        parseOptions(),
      );
    });
    afterEach(() => internal.close());

    /** Something happens right after the first look. */
    const afterLooking = (happens: () => Promise<unknown>) => {
      const look = internal.look.bind(internal);
      internal.look = async (...args) => {
        const view = await look(...args);
        internal.look = look;
        await happens();
        return view;
      };
    };

    it('of two grants upon the same view one is made', async () => {
      const warm = ask({ name: parseName('warm-up') });
      await store.acquire(warm);
      await operator.create(parent);
      const operation = internal.operation(10_000, 'testing');
      const look = async () => (await internal.look(operation, parent)) as View;
      await isComparable(internal, { parent, operation }, await look());
      const view = await look();
      const grants = await Promise.all(
        [ask(), ask(), ask()].map((each) => grantNext(internal, { ask: each, id: idOf(each.owner), parent, operation }, view)),
      );
      expect(grants.filter((grant) => grant !== undefined)).toHaveLength(1);
      expect((await look()).holders).toHaveLength(1);
    });

    it('a hold whose time runs out while it is granted again is not ended', async () => {
      const one = ask();
      await acquire(internal, one);
      const node = `hx-${idOf(one.owner)}`;
      const kept = internal.keeping.get(`${parent}/${node}`) as Kept;
      const operation = internal.operation(10_000, 'testing');
      const commit = operation.commit.bind(operation);
      operation.commit = async (build) => {
        const answer = await commit(build);
        // The answer is on its way.
        internal.keeping.renew(kept, 0);
        await sleep(100);
        return answer;
      };
      expect(await prove(internal, operation, parent, node, 10_000)).toBeDefined();
      await sleep(100);
      expect(await operator.children(parent)).toContain(node);
      expect(kept.busy).toBe(0);
    });

    it('a name that was stolen meanwhile is not granted', async () => {
      const holder = ask();
      await store.acquire(holder);
      await store.acquire(ask({ enqueue: true }));
      const late = ask();
      const thief = ask();
      afterLooking(() => store.revoke(name, { kind: 'stolen', reason: 'a test', node, heir: thief }));
      expect(await acquire(internal, late)).toMatchObject({ outcome: 'refused' });
      expect(await store.renew([thief])).toMatchObject([{ outcome: 'renewed' }]);
    });

    it.each([true, false])('an owner that gives up meanwhile gets neither a place nor the name (held: %s)', async (isHeld) => {
      const holder = ask();
      await store.acquire(holder);
      await store.acquire(ask({ enqueue: true }));
      const quitter = ask({ enqueue: true });
      if (!isHeld) {
        for (const child of await operator.children(parent)) if (/^[hp]/.test(child)) await operator.remove(`${parent}/${child}`);
      }
      afterLooking(() => store.abandon(quitter));
      expect(await acquire(internal, quitter)).toMatchObject({ outcome: 'refused', because: 'abandoned' });
      expect((await operator.children(parent)).filter((child) => child.includes(idOf(quitter.owner)))).toEqual([
        `t-${idOf(quitter.owner)}`,
      ]);
    });
  });

  it('sweeps up what a crashed process left: names without anybody, and revocations that nobody asks about any more', async () => {
    const sessions = new Sessions(clientsOf(server.address), new Calls(systemPorts()), () => {});
    const internal = new Store(sessions, new Calls(systemPorts()), parseOptions());
    const held = ask({ name: parseName('held') });
    await store.acquire(held);
    await store.acquire(ask());
    await store.revoke(name, { kind: 'revoked', reason: 'a test', node });
    await operator.create('/holdfast/locks/empty');
    await internal.tidying.sweep();
    expect(await operator.children('/holdfast/locks')).toEqual(expect.arrayContaining(['held', 'job']));
    expect(await operator.children('/holdfast/locks')).not.toContain('empty');
    await sleep(20);
    await internal.tidying.sweep(10);
    expect(await operator.children('/holdfast/locks')).toEqual(['held']);
    expect(await store.renew([held])).toMatchObject([{ outcome: 'renewed' }]);
    await internal.close();
  });

  it('an answer that the library cannot read costs one connection, and not every one after it', async () => {
    let isUnreadable = false;
    let connections = 0;
    const behind = zookeeper((sessionTimeout) => {
      const client = zk.createClient(server.address, { sessionTimeout, spinDelay: 20 });
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
    await behind.acquire(ask({ name: parseName('warm-up'), ttlMs: 1_000 }));
    isUnreadable = true;
    await expect(behind.acquire(ask({ ttlMs: 1_000 }))).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
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
    await behind.acquire(ask({ name: parseName('warm-up'), ttlMs: 60_000 }));
    const silent = proxy.once('/locks/job/hx-', 'swallow-replies');
    const asked = behind.acquire(ask({ ttlMs: 60_000 })).catch(() => {});
    await silent;
    await until(() => left > 0, 'it is left', 1_500);
    proxy.speak();
    await asked;
    await behind.close();
    await proxy.close();
    await short.stop();
  });

  it('says what it cannot read', async () => {
    await store.acquire(ask({ name: parseName('warm-up') }));
    await operator.create(parent);
    await operator.create(`${parent}/hx-${'a'.repeat(22)}`);
    await expect(store.acquire(ask())).rejects.toMatchObject({ code: 'BACKEND_CORRUPT' });
  });

  it('one call renews many, and a thousand paths fit into few requests', async () => {
    const asks = Array.from({ length: 300 }, (_, i) => ask({ name: parseName(`${'x'.repeat(480)}${i}`) }));
    for (let i = 0; i < asks.length; i += 50) await Promise.all(asks.slice(i, i + 50).map((each) => store.acquire(each)));
    await store.release(asks[7] as Ask);
    const answers = await store.renew(asks);
    expect(answers.map(({ outcome }) => outcome)).toEqual(asks.map((_, i) => (i === 7 ? 'gone' : 'renewed')));
    await Promise.all(asks.map((each) => store.release(each)));
  });
});

interface Inside {
  readonly pendingQueue: unknown[];
  readonly socket?: { readonly destroyed: boolean };
  onSocketData(this: Inside, bytes: Buffer): void;
}

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
    const asked = expect(store.acquire(ask({ ttlMs: 5_000 }))).rejects.toMatchObject({ name: expect.any(String) });
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

describe('keeping', () => {
  it('ends nothing any more when it is closed', async () => {
    let ended = 0;
    const keeping = new Keeping((kept: Kept) => {
      ended += 1;
      keeping.again(kept, 20);
    });
    const session = { generation: 1 } as Session;
    keeping.add(session, '/p', 'a', 10_000);
    expect(keeping.takeAll()).toHaveLength(1);
    // The answer to an ask that was under way.
    keeping.add(session, '/p', 'b', 20);
    await sleep(150);
    expect(ended).toBe(0);
  });

  it('does not end what is being proven, and nothing of a session that is over', async () => {
    const ended: string[] = [];
    const keeping = new Keeping((kept: Kept) => void ended.push(kept.path));
    const session = { generation: 1 } as { generation: number };
    for (const each of ['a', 'b', 'c', 'd']) keeping.add(session as Session, '/p', each, 40);
    const busy = keeping.get('/p/a') as Kept;
    busy.busy += 1;
    keeping.forget('/p/b');
    await sleep(120);
    expect(ended.sort()).toEqual(['/p/c', '/p/d']);
    busy.busy -= 1;
    await sleep(60);
    expect(ended).toContain('/p/a');
    keeping.add(session as Session, '/p', 'e', 10_000);
    session.generation += 1;
    expect(keeping.get('/p/e')).toBeUndefined();
    keeping.forgetSession(session as Session);
    expect(keeping.takeAll()).toEqual([]);
  });
});
