import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scene } from '../cli/support/program.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { RedisSentinels, sentinelIsMissing } from '../support/redis-sentinel.js';
import { RedlockNodes } from '../support/redlock-nodes.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';
import { drillProcesses, leftInStore } from './support/workers.js';

const faults = ['crash', 'freeze', 'block', 'cut', 'clock', 'revoke', 'contention'];

/** Two drills at a time: most of each is waiting for a TTL to pass, and more would be too much for a small machine. */
const lanes = [Promise.resolve(), Promise.resolve()];
let drills = 0;
const waitMsMax = 300_000;

/** The next place in one of the lanes: when it comes up, and what says that it is over. */
function place() {
  const lane = drills++ % lanes.length;
  const before = lanes[lane];
  let over = () => {};
  lanes[lane] = new Promise((resolve) => {
    over = resolve;
  });
  return { before, over };
}

interface Server {
  readonly url: string;
  stop(): Promise<unknown>;
}

function on(store: string, missing: boolean, start: () => Promise<Server>, ttl = '1s'): void {
  describe.skipIf(missing).concurrent(`on ${store}`, () => {
    let server: Server | undefined;
    const { before, over } = missing ? { before: undefined, over: () => {} } : place();
    const scene = new Scene(() => server?.url ?? '');
    beforeAll(async () => {
      await before;
      server = await start();
    }, waitMsMax);
    afterAll(async () => {
      over();
      await server?.stop();
    });

    it('every promise holds, and nothing is left behind', async () => {
      const { status, stdout, stderr } = await scene.outcome(['drill', '--json', '--ttl', ttl]);
      const report = JSON.parse(stdout || '{}');
      const broken = report.rows.filter((row: { held: boolean }) => !row.held);
      expect({ status, stderr, broken, outcome: report.outcome }).toEqual({ status: 0, stderr: '', broken: [], outcome: 'held' });
      const tried = new Set(report.rows.map((row: { fault: string }) => row.fault));
      expect([...tried]).toEqual(faults.filter((fault) => fault !== 'cut' || !scene.backend.startsWith('sqlite')));
      expect(report.left).toBe(0);
      expect(await leftInStore(scene)).toEqual([]);
      expect(drillProcesses(scene)).toEqual([]);
    });
  });
}

describe('on the embedded store', () => {
  const scene = new Scene();

  it('every promise holds, and nothing is left behind', async () => {
    const { status, stdout } = await scene.outcome(['drill', '--json', '--ttl', '1s']);
    const report = JSON.parse(stdout);
    expect({ status, broken: report.rows.filter((row: { held: boolean }) => !row.held) }).toEqual({ status: 0, broken: [] });
    expect(report.notTried).toMatchObject([
      { fault: 'cut', failed: false },
      { fault: 'failover', failed: false },
    ]);
    expect(await leftInStore(scene)).toEqual([]);
    expect(drillProcesses(scene)).toEqual([]);
  });
});

on('Redis', redisIsMissing, async () => {
  const server = await RedisServer.start();
  return { url: `redis://127.0.0.1:${server.port}`, stop: () => server.stop() };
});

on('Redlock', redisIsMissing, async () => {
  const nodes = await RedlockNodes.start(3);
  const hosts = nodes.ports.map((port) => `127.0.0.1:${port}`).join(',');
  return { url: `redlock://${hosts}?newNodes=trust`, stop: () => nodes.stop() };
});

on('PostgreSQL', postgresIsMissing, () => PostgresServer.start());

on('etcd', etcdIsMissing, async () => {
  const cluster = await EtcdCluster.start();
  return { url: `etcd://${cluster.endpoints.join(',')}`, stop: () => cluster.stop() };
});

on('ZooKeeper', zookeeperIsMissing, () => ZooKeeperServer.start());

describe.skipIf(sentinelIsMissing)('on Redis with Sentinel', () => {
  let servers: RedisSentinels;
  const scene = new Scene(() => servers.url);
  beforeAll(async () => {
    servers = await RedisSentinels.start(1, 1);
  });
  afterAll(() => servers.stop());

  it('fails over when it is asked to, and not before', async () => {
    const before = await servers.current();
    const words = ['drill', '--json', '--ttl', '1s', '--only', 'cut,failover'];
    const unasked = await scene.outcome(words);
    const reasons = JSON.parse(unasked.stdout).notTried.map(({ why }: { why: string }) => why);
    expect(reasons).toEqual([expect.stringMatching(/plain TCP/), expect.stringMatching(/--failover/)]);
    expect(await servers.current()).toBe(before);

    const { status, stdout } = await scene.outcome([...words, '--failover']);
    expect(await servers.current()).not.toBe(before);
    const { rows } = JSON.parse(stdout);
    expect({ status, broken: rows.filter((row: { held: boolean }) => !row.held) }).toEqual({ status: 0, broken: [] });
    expect(rows.map((row: { promise: string }) => row.promise)).toEqual(['replaced', 'exclusion', 'fences']);
    expect(await leftInStore(scene)).toEqual([]);
  });
});
