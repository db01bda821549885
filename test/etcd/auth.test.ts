import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { etcd } from '../../src/backends/etcd/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';
import { awakeMs } from '../support/waits.js';

describe.skipIf(etcdIsMissing)('a cluster that asks for passwords', () => {
  let cluster: EtcdCluster;
  const opened: Holdfast[] = [];
  const holder = (user?: { name: string; password: string }, prefix = 'holdfast/') => {
    const locks = new Holdfast(etcd({ grpc, endpoints: cluster.endpoints, prefix, ...(user === undefined ? {} : { user }) }), {
      unavailableMs: 300,
    });
    opened.push(locks);
    return locks;
  };
  const app = { name: 'app', password: 'secret' };
  const root = '--user=root:root';

  beforeAll(async () => {
    // Tokens that are over after a second.
    cluster = await EtcdCluster.start(1, ['--auth-token-ttl', '1']);
    const { first } = cluster;
    await first.ctl('user', 'add', 'root:root');
    await first.ctl('user', 'grant-role', 'root', 'root');
    await first.ctl('role', 'add', 'locks');
    await first.ctl('role', 'grant-permission', 'locks', '--prefix=true', 'readwrite', 'holdfast/');
    await first.ctl('user', 'add', 'app:secret');
    await first.ctl('user', 'grant-role', 'app', 'locks');
    await first.ctl('auth', 'enable');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((locks) => locks.close()));
  });
  afterAll(() => cluster.stop());

  it('a user who may touch the keys of Holdfast, and no others, is enough; tokens that are over are renewed', async () => {
    const locks = holder(app);
    const lease = await locks.acquire('job', { ttlMs: 3_000 });
    const waiting = holder(app).acquire('job');
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    lease.assertHeld();
    expect((await locks.query()).pending).toHaveLength(1);
    expect(await lease.release()).toBe('released');
    await (await waiting).release();
  });

  it('a stream whose token is over takes no more watches: it is opened anew, and a waiter hears of a release at once', async () => {
    const holding = holder(app);
    const others = [await holding.acquire('kept'), await holding.acquire('job')] as const;
    const waiting = holder(app);
    // Its watch keeps the stream open.
    const kept = waiting.acquire('kept');
    await new Promise((resolve) => setTimeout(resolve, 300));
    // No token is valid any more.
    await cluster.first.ctl(root, 'auth', 'disable');
    await cluster.first.ctl('auth', 'enable');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const next = waiting.acquire('job');
    await new Promise((resolve) => setTimeout(resolve, 1_250));
    await others[1].release();
    const beganMs = awakeMs();
    await (await next).release();
    expect(awakeMs() - beganMs).toBeLessThan(400);
    await others[0].release();
    await (await kept).release();
  });

  it('a wrong password, none at all, and other keys: said at once, for asking again cannot help', async () => {
    const refused = { code: 'BACKEND_UNAVAILABLE', permanent: true };
    await expect(holder({ ...app, password: 'wrong' }).acquire('job')).rejects.toMatchObject(refused);
    await expect(holder().acquire('job')).rejects.toMatchObject(refused);
    await expect(holder(app, 'others/').acquire('job')).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(/grant-permission/),
    });
  });

  it('the probe says what it may not ask', async () => {
    const backend = etcd({ grpc, endpoints: cluster.endpoints, user: app });
    const severities = (await backend.probe()).filter(({ severity }) => severity === 'critical');
    expect(severities).toEqual([]);
    await backend.close();
    await cluster.first.ctl(root, 'user', 'list');
  });
});
