import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';
import { registerBurial, registerCases } from './support/cases.js';
import { Scene } from './support/program.js';

describe.skipIf(zookeeperIsMissing)('on ZooKeeper', () => {
  let server: ZooKeeperServer;
  const scene = new Scene(() => server.url);
  beforeAll(async () => {
    server = await ZooKeeperServer.start();
  });
  afterAll(() => server.stop());

  registerCases(scene);
  registerBurial(scene);

  it.each([
    ['zk://127.0.0.1:1', 69],
    ['zk://u:geheim@127.0.0.1:99999', 64],
    ['zk://u:geheim@127.0.0.1:2181?what=1', 64],
  ])('a URL that leads nowhere is said, and no password is repeated: %s', async (backend, status) => {
    const outcome = await scene.outcome(['run', '--wait', '0', '--backend', backend, 'x', '--', 'true']);
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).not.toContain('geheim');
    expect(outcome.stderr).not.toBe('');
  });
});
