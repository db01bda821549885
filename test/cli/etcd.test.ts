import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';
import { registerBurial, registerCases } from './support/cases.js';
import { Scene } from './support/program.js';

describe.skipIf(etcdIsMissing)('on etcd', () => {
  let cluster: EtcdCluster;
  const scene = new Scene(() => `etcd://${cluster.endpoints.join(',')}`);
  beforeAll(async () => {
    cluster = await EtcdCluster.start();
  });
  afterAll(() => cluster.stop());

  registerCases(scene);
  registerBurial(scene);

  it('a bad URL and a cluster that is away say what to do', async () => {
    const bad = await scene.outcome(['run', '--backend', 'etcd://me:hunter2@a?x=1', 'x', '--', 'true']);
    expect(bad).toMatchObject({ status: 64, stderr: expect.stringMatching(/unknown parameter "x"/) });
    expect(bad.stderr).not.toMatch(/hunter2/);
    const away = await scene.outcome(['run', '--wait', '0', '--backend', 'etcd://127.0.0.1:9', 'x', '--', 'true']);
    expect(away).toMatchObject({ status: 69, stderr: expect.stringMatching(/check that the members are up/) });
  });
});
