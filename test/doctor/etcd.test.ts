import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { describe, expect, it } from 'vitest';
import { etcd } from '../../src/backends/etcd/index.js';
import { parseName } from '../../src/core/name.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';
import { Scene } from './scene.js';
import {
  anywhere,
  diagnosed,
  foreign,
  inOtherLetters,
  quietWhenHealthy,
  type Situation,
  whereTimeIsTold,
  withQueue,
  withRecords,
  withSink,
} from './situations.js';

let cluster: EtcdCluster;

/** `etcdctl lock`, which has the lock for as long as it runs. */
async function etcdctlLock(key: string) {
  const child = spawn('etcdctl', [`--endpoints=http://${cluster.endpoints[0]}`, 'lock', '--ttl=20', key], {
    env: { ...process.env, ETCDCTL_API: '3' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // It prints the key when it has it.
  await once(child.stdout, 'data');
  return async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
}

async function put(key: string, value: string) {
  await cluster.first.ctl('put', key, value);
  return () => cluster.first.ctl('del', key);
}

const others: readonly Situation[] = [
  foreign('a lock of etcdctl on the same name', /concurrency\.Mutex/, (name) => etcdctlLock(name)),
  foreign('a lock of etcdctl below our prefix', /concurrency\.Mutex/, (name) => etcdctlLock(`holdfast/${name}`)),
  foreign('a lock of the library for Node', /looks like etcd3's/, async (name) => {
    const client = new Etcd3({ hosts: cluster.endpoints.map((endpoint) => `http://${endpoint}`) });
    const lock = await client.lock(name).ttl(20).acquire();
    return async () => {
      await lock.release();
      client.close();
    };
  }),
  foreign(
    'a key in the place of a hold that was written by hand',
    /etcdctl --endpoints=\S+ txn/,
    (name) => put(`holdfast/${name}/held/exclusive/me`, 'mine'),
    'no-ttl',
  ),
  {
    title: 'a hold that was written again without its lease',
    verdict: 'no-ttl',
    says: /Holdfast holds it without a TTL/,
    async make(scene, name) {
      await scene.hold(name);
      const below = ['get', '--prefix', `holdfast/${name}/held/`];
      const [key = '', value = ''] = (await cluster.first.ctl(...below)).split('\n');
      scene.later(await put(key, value));
    },
  },
];

describe.skipIf(etcdIsMissing)('the doctor on etcd', () => {
  const scene = new Scene({
    folder: 'etcd',
    // Whole seconds are told: of a shorter one nothing is seen before it is over.
    ttlMs: 4_000,
    url: () => `etcd://${cluster.endpoints.join(',')}`,
    start: async () => {
      cluster = await EtcdCluster.start();
    },
    stop: () => cluster.stop(),
    open: async () => etcd({ grpc, endpoints: cluster.endpoints }),
  });
  quietWhenHealthy(scene);
  diagnosed(scene, [...anywhere, ...whereTimeIsTold, ...withQueue, withSink, withRecords, inOtherLetters, ...others]);

  it('what it prints takes away what was seen, and nothing that came after it', async () => {
    const name = "it's 100 %";
    const key = `holdfast/${parseName(name).encoded}/held/exclusive/me`;
    await put(key, 'mine');
    const [verdict] = await scene.diagnose(name);
    const remove = verdict?.next[0]?.command ?? '';
    await put(key, 'another');
    await promisify(execFile)('sh', ['-c', remove]);
    expect((await scene.diagnose(name)).map(({ id }) => id)).toEqual(['no-ttl']);
    const [again] = await scene.diagnose(name);
    await promisify(execFile)('sh', ['-c', again?.next[0]?.command ?? '']);
    expect((await scene.diagnose(name)).map(({ id }) => id)).toEqual(['free']);
  });
});
