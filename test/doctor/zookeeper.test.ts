import zk from 'node-zookeeper-client';
import { describe } from 'vitest';
import { readNodeIdentity } from '../../src/core/node.js';
import { openZooKeeper, Operator } from '../support/zookeeper-clients.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';
import { Scene } from './scene.js';
import {
  anywhere,
  diagnosed,
  foreign,
  inOtherLetters,
  quietWhenHealthy,
  type Situation,
  withQueue,
  withRecords,
  withSink,
} from './situations.js';

let server: ZooKeeperServer;

/** A node of somebody else, in a session of its own, and what it lies in. */
async function node(parent: string, name: string, mode: number, data = '') {
  const operator = await Operator.connect(server.address);
  const { client } = operator;
  await new Promise<void>((resolve, reject) => client.mkdirp(parent, (error) => (error ? reject(error) : resolve())));
  const path = await new Promise<string>((resolve, reject) =>
    client.create(`${parent}/${name}`, Buffer.from(data), mode, (error, made) => (error ? reject(error) : resolve(made))),
  );
  return async () => {
    await operator.remove(path);
    await operator.close();
  };
}

const { EPHEMERAL_SEQUENTIAL, PERSISTENT } = zk.CreateMode;
const curators = '_c_6a2b7f4e-0c59-4f0e-9d4c-0d5f1c1f9a11-lock-';
const kazoos = '0f9c2d5b7a614c1e8f3a2b4c5d6e7f80__lock__';

const others: readonly Situation[] = [
  foreign("Curator's lock among our nodes", /looks like Apache Curator's.*with session 0x/s, (name) =>
    node(`/holdfast/locks/${name}`, curators, EPHEMERAL_SEQUENTIAL),
  ),
  foreign("Curator's lock on a node of the same name", /looks like Apache Curator's/, (name) =>
    node(`/${name}`, curators, EPHEMERAL_SEQUENTIAL),
  ),
  foreign("kazoo's lock", /looks like kazoo's/, (name) => node(`/locks/${name}`, kazoos, EPHEMERAL_SEQUENTIAL)),
  foreign(
    "Curator's lock on a node that stays",
    /without a TTL.*zkCli\.sh delete/s,
    (name) => node(`/holdfast/locks/${name}`, `${curators}0000000000`, PERSISTENT),
    'no-ttl',
  ),
  foreign(
    'a hold that no session ends',
    /Holdfast holds it without a TTL/,
    (name) => {
      const written = { holdfast: 1, fences: 1, ttlMs: 10_000, node: readNodeIdentity(), metadata: {} };
      return node(`/holdfast/locks/${name}`, `hx-${'A'.repeat(22)}`, PERSISTENT, JSON.stringify(written));
    },
    'no-ttl',
  ),
];

describe.skipIf(zookeeperIsMissing)('the doctor on ZooKeeper', () => {
  const scene = new Scene({
    folder: 'zookeeper',
    ttlMs: 4_000,
    url: () => server.url,
    start: async () => {
      server = await ZooKeeperServer.start();
    },
    stop: () => server.stop(),
    open: async () => openZooKeeper(server.address),
  });
  quietWhenHealthy(scene);
  // How long a hold of another process has left is known to that process alone: one that is stuck on another machine shows when its session ends.
  diagnosed(scene, [...anywhere, ...withQueue, withSink, withRecords, inOtherLetters, ...others]);
});
