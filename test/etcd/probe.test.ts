import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcd } from '../../src/backends/etcd/index.js';
import { membership } from '../../src/backends/etcd/probe/membership.js';
import { sizes } from '../../src/backends/etcd/probe/sizes.js';
import { versions } from '../../src/backends/etcd/probe/versions.js';
import { statusResponse } from '../../src/backends/etcd/wire/messages.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';

describe.skipIf(etcdIsMissing)('the probe of a cluster', () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start(1, ['--quota-backend-bytes', String(4 * 1024 ** 2)]);
  });
  afterAll(() => cluster.stop());

  const found = async (...endpoints: readonly string[]) => {
    const backend = etcd({ grpc, endpoints: [...cluster.endpoints, ...endpoints] });
    try {
      return (await backend.probe()).map(({ severity, what }) => `${severity}: ${what}`);
    } finally {
      await backend.close();
    }
  };

  it('says what it finds, with a fix for each', async () => {
    const backend = etcd({ grpc, endpoints: cluster.endpoints });
    const findings = await backend.probe();
    expect(findings.map(({ what }) => what)).toEqual(expect.arrayContaining(['the cluster has one member']));
    for (const finding of findings) for (const text of Object.values(finding)) expect(text).not.toBe('');
    await backend.close();
  });

  it('a member that is away', async () => {
    expect(await found('127.0.0.1:9')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^warning: 127\.0\.0\.1:9 cannot be asked/)]),
    );
  });

  it('two clusters in one list', async () => {
    const other = await EtcdCluster.start();
    expect(await found(other.first.address)).toContain('critical: these endpoints belong to 2 different clusters');
    await other.stop();
  });

  it('a lock without a lease', async () => {
    await cluster.first.ctl('put', 'holdfast/job/held/exclusive/by-hand', '');
    expect(await found()).toEqual(expect.arrayContaining([expect.stringMatching(/^critical: 1 locks have no lease.*by-hand/)]));
    await cluster.first.ctl('del', 'holdfast/job/held/exclusive/by-hand');
  });

  it('an epoch from the future', async () => {
    const before = await cluster.first.ctl('get', 'holdfast/~epoch', '--print-value-only');
    await cluster.first.ctl(
      'put',
      'holdfast/~epoch',
      before.trim().replace(/"epoch":\d+/, `"epoch":${(Date.now() + 3_600_000) * 1_000}`),
    );
    expect(await found()).toEqual(
      expect.arrayContaining([expect.stringMatching(/^warning: the epoch of the fences is 3\d{3} s ahead/)]),
    );
    await cluster.first.ctl('put', 'holdfast/~epoch', before.trim());
  });

  it('an alarm', async () => {
    for (let i = 0; i < 60; i++) if ((await cluster.first.ctl('put', 'junk', 'x'.repeat(120_000)).catch(() => '')) === '') break;
    expect(await found()).toEqual(expect.arrayContaining([expect.stringMatching(/^critical: the alarm NOSPACE is raised/)]));
  });

  it('rejects where nobody answers', async () => {
    const backend = etcd({ grpc, endpoints: ['127.0.0.1:9'], commandTimeoutMs: 300 });
    await expect(backend.probe()).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await backend.close();
  });
});

describe('what the probe makes of what members say', () => {
  const none = statusResponse.decode(new Uint8Array());
  const seen = (over: object) => [
    { endpoint: { address: 'a:1', client: undefined as never }, status: { ...none, leader: '1', ...over } },
  ];
  const member = (name: string) => ({ id: name, name, peerUrls: [], clientUrls: [`${name}:2379`], isLearner: false });
  const three = ['a', 'b', 'c'].map(member);

  it('releases with known defects', () => {
    const severities = (version: string) => versions(seen({ version })).map(({ severity }) => severity);
    expect(['3.3.27', '3.5.2', '3.4.23', '3.5.12'].map(severities)).toEqual([
      ['critical'],
      ['critical'],
      ['warning'],
      ['warning'],
    ]);
    expect(['3.4.31', '3.5.13', '3.6.0', '3.6.0-rc.1'].flatMap(severities)).toEqual([]);
    expect(versions([...seen({ version: '3.5.13' }), ...seen({ version: '3.6.1' })])).toMatchObject([{ severity: 'info' }]);
  });

  it('members', () => {
    const whats = (over: object, members = three) => membership([...seen(over), ...seen({})], members).map(({ what }) => what);
    expect(whats({})).toEqual([]);
    expect(whats({ leader: '0' })).toEqual(['a:1 has no leader']);
    expect(whats({ isLearner: true })).toEqual(['a:1 is a learner']);
    expect(whats({ raftIndex: 10_000 })).toEqual(['a:1 is 10000 entries behind']);
    expect(whats({}, three.slice(1))).toEqual(['the cluster has 2 members that vote']);
    expect(membership(seen({}), three)).toMatchObject([{ fix: 'give all of them: a:2379, b:2379, c:2379' }]);
  });

  it('sizes', () => {
    const whats = (over: object) => sizes(seen(over)).map(({ what }) => what);
    expect(whats({ dbSize: 1.9 * 1024 ** 3, dbSizeInUse: 1.9 * 1024 ** 3 })).toEqual([
      expect.stringMatching(/2048 MiB that it may have by default/),
    ]);
    expect(whats({ dbSize: 1.9 * 1024 ** 3, dbSizeInUse: 1.8 * 1024 ** 3, dbSizeQuota: 8 * 1024 ** 3 })).toEqual([]);
    expect(whats({ dbSize: 1024 ** 3, dbSizeInUse: 1024 ** 2 })).toEqual([expect.stringMatching(/of which 1 MiB are in use/)]);
  });
});
