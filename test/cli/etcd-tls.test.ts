import { readFileSync } from 'node:fs';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcd } from '../../src/backends/etcd/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { Certificate, opensslIsMissing } from '../support/certificate.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';
import { Scene } from './support/program.js';

describe.skipIf(etcdIsMissing || opensslIsMissing)('an etcd that is reached through TLS, and asks for a password', () => {
  let cluster: EtcdCluster;
  let certificate: Certificate;
  const hosts = () => cluster.endpoints.join(',');
  const scene = new Scene(() => `etcd+tls://app:s%40cret@${hosts()}?cacert=${certificate.cert}`);

  beforeAll(async () => {
    certificate = new Certificate();
    cluster = await EtcdCluster.startSecure(certificate);
    const { first } = cluster;
    await first.ctl('user', 'add', 'root:root');
    await first.ctl('user', 'grant-role', 'root', 'root');
    await first.ctl('role', 'add', 'locks');
    await first.ctl('role', 'grant-permission', 'locks', '--prefix=true', 'readwrite', 'holdfast/');
    await first.ctl('user', 'add', 'app:s@cret');
    await first.ctl('user', 'grant-role', 'app', 'locks');
    await first.ctl('auth', 'enable');
  });
  afterAll(async () => {
    await cluster.stop();
    certificate.remove();
  });

  it('a lease is granted, renewed and given back; a waiter is woken', async () => {
    const options = {
      grpc,
      endpoints: cluster.endpoints.map((endpoint) => `https://${endpoint}`),
      credentials: grpc.credentials.createSsl(readFileSync(certificate.cert)),
      user: { name: 'app', password: 's@cret' },
    };
    const [locks, other] = [new Holdfast(etcd(options), { ttlMs: 4_000 }), new Holdfast(etcd(options))];
    const lease = await locks.acquire('job');
    const { fence } = lease;
    const waiting = other.acquire('job');
    let renewed = 0;
    await new Promise<void>((resolve) => {
      locks.on('renewed', () => {
        renewed += 1;
        if (renewed === 2) resolve();
      });
    });
    expect(await lease.release()).toBe('released');
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(fence);
    expect(await next.release()).toBe('released');
    await Promise.all([locks.close(), other.close()]);
  });

  it('a URL says which certificate to trust: a command runs under a lock', async () => {
    const run = await scene.outcome(['run', 'x', '--', 'sh', '-c', 'echo $HOLDFAST_FENCE']);
    expect(run).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\n$/) });
  });

  it.each([
    ['without that certificate', () => `etcd+tls://app:s%40cret@${hosts()}`],
    ['without TLS', () => `etcd://app:s%40cret@${hosts()}`],
    ['with a wrong password', () => `etcd+tls://app:hunter2@${hosts()}?cacert=${certificate.cert}`],
  ])('%s nobody is let in, and the password is not repeated', async (_, url) => {
    const away = await scene.outcome(['run', '--wait', '0', '--backend', url(), 'x', '--', 'true']);
    expect(away.status).toBe(69);
    expect(away.stderr).not.toMatch(/s%40cret|s@cret|hunter2/);
  });
});
