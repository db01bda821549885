import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisFromUrl } from '../../src/backends/redis/index.js';
import { openBackend } from '../../src/cli/backends.js';
import type { Backend } from '../../src/core/backend.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { freePort } from '../support/free-port.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { RedisSentinels, sentinelIsMissing } from '../support/redis-sentinel.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';

describe.skipIf(redisIsMissing || sentinelIsMissing)('a URL opens', () => {
  let single: RedisServer;
  let cluster: RedisCluster;
  let sentinels: RedisSentinels;
  beforeAll(async () => {
    single = await RedisServer.start('--requirepass', 's@cret');
    cluster = await RedisCluster.start();
    sentinels = await RedisSentinels.start();
  });
  afterAll(async () => {
    for (const servers of [single, cluster, sentinels]) await servers?.stop();
  });

  const cases: readonly [string, () => string][] = [
    ['one server', () => single.url.replace('//', '//:s%40cret@').concat('/3')],
    ['a Cluster', () => cluster.url],
    ['the master of sentinels', () => `${sentinels.url}/2`],
  ];
  describe.each(['ioredis', 'redis'] as const)('through %s', (library) => {
    it.each(cases)('%s', async (_what, url) => {
      const store = await redisFromUrl(`${url()}?prefix=app:`, library);
      try {
        await holdAndRelease(store);
      } finally {
        await store.close();
      }
    });
  });

  it('on the command line as well', async () => {
    for (const [, url] of cases) {
      const store = await openBackend(url());
      await holdAndRelease(store);
      await store.close();
    }
  });

  it('with no other library than these', async () => {
    await expect(redisFromUrl(single.url, 'other' as 'redis')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe.skipIf(redisIsMissing)('a rediss: URL', () => {
  it.each(['ioredis', 'redis'])('opens a server with a certificate that Node trusts, and no other (%s)', async (library) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-tls-'));
    const [key, certificate] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const files = ['-keyout', key, '-out', certificate];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...files, ...subject], {
      stdio: 'ignore',
    });
    const port = await freePort();
    const tls = ['--tls-port', String(port), '--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no'];
    const server = await RedisServer.start(...tls);
    const script = `
      import { redisFromUrl } from './dist/backends/redis/index.js';
      const store = await redisFromUrl(process.argv[1], process.argv[2]);
      try {
        for await (const _ of store.list('')) {}
        console.log('listed');
      } catch (error) {
        console.log(error.message);
      }
      await store.close();`;
    const run = async (env: NodeJS.ProcessEnv) => {
      const args = ['--input-type=module', '-e', script, `rediss://localhost:${port}`, library];
      return (await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } })).stdout;
    };
    try {
      expect(await run({ NODE_EXTRA_CA_CERTS: certificate })).toBe('listed\n');
      expect(await run({})).not.toBe('listed\n');
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

/** Once it is connected, which it is not at once. */
async function holdAndRelease(store: Backend): Promise<void> {
  const own = ask('open');
  for (const endMs = performance.now() + 10_000; ; await sleep(20)) {
    const answer = await store.acquire(own).catch((error: Error) => error);
    if ('outcome' in answer && answer.outcome === 'granted') break;
    if (performance.now() > endMs) throw answer;
  }
  expect(await recordsOf(store, '')).toMatchObject([{ name: 'open' }]);
  await store.release(heldOf(own));
}
