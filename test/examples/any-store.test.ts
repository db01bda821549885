import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../docs/files.js';
import { startSomeConsul } from '../support/consul-server.js';
import { DynamoDBServer } from '../support/dynamodb-server.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { RedlockNodes } from '../support/redlock-nodes.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';

const run = promisify(execFile);
const env = { ...process.env, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true' };
const example = readFileSync(path.join(root, 'examples/any-store.mjs'), 'utf8');
const line = example.split('\n').find((text) => text.includes("from 'holdfast/sqlite'")) ?? '';

interface Store {
  readonly name: string;
  readonly missing?: boolean;
  readonly start: () => Promise<{ readonly url: string; readonly stop: () => unknown }>;
}

const stores: readonly Store[] = [
  { name: 'sqlite', start: async () => ({ url: `sqlite:${path.join(folder, 'locks.db')}`, stop: () => {} }) },
  {
    name: 'redis',
    missing: redisIsMissing,
    start: async () => {
      const server = await RedisServer.start();
      return { url: server.url, stop: () => server.stop() };
    },
  },
  {
    name: 'redlock',
    missing: redisIsMissing,
    start: async () => {
      const nodes = await RedlockNodes.start(3);
      const hosts = nodes.ports.map((port) => `127.0.0.1:${port}`).join(',');
      return { url: `redlock://${hosts}?newNodes=trust`, stop: () => nodes.stop() };
    },
  },
  {
    name: 'postgres',
    missing: postgresIsMissing,
    start: async () => {
      const server = await PostgresServer.start();
      return { url: server.url, stop: () => server.stop() };
    },
  },
  {
    name: 'etcd',
    missing: etcdIsMissing,
    start: async () => {
      const cluster = await EtcdCluster.start(1);
      return { url: `etcd://${cluster.endpoints.join(',')}`, stop: () => cluster.stop() };
    },
  },
  {
    name: 'zookeeper',
    missing: zookeeperIsMissing,
    start: async () => {
      const server = await ZooKeeperServer.start();
      return { url: server.url, stop: () => server.stop() };
    },
  },
  {
    name: 'consul',
    start: async () => {
      const server = await startSomeConsul();
      return { url: `consul://127.0.0.1:${server.port}`, stop: () => server.stop() };
    },
  },
  {
    name: 'dynamodb',
    start: async () => {
      const server = await DynamoDBServer.start();
      const endpoint = `http://127.0.0.1:${server.port}`;
      return { url: `dynamodb://eu-central-1/holdfast?endpoint=${endpoint}&create=true`, stop: () => server.stop() };
    },
  },
];

// Where `holdfast` is installed, as in somebody's own project.
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-any-store-'));
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(root, path.join(folder, 'node_modules/holdfast'), 'dir');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('examples/any-store.mjs, with one line changed', () => {
  for (const { name, missing = false, start } of stores) {
    it.skipIf(missing)(`counts to twenty on ${name}`, async () => {
      expect(line).not.toBe('');
      const file = path.join(folder, `${name}.mjs`);
      writeFileSync(file, example.replace(line, `import { ${name}FromUrl as open } from 'holdfast/${name}';`));
      const { url, stop } = await start();
      try {
        const { stdout } = await run(process.execPath, [file, url], { timeout: 50_000, env });
        expect(stdout).toBe('counted to 20, with 20 different fences\n');
      } finally {
        await stop();
      }
    });
  }
});
