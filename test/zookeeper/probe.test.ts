import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ofMember } from '../../src/backends/zookeeper/probe/members.js';
import type { Finding } from '../../src/core/backend.js';
import { openZooKeeper } from '../support/zookeeper-clients.js';
import { ZooKeeperEnsemble } from '../support/zookeeper-ensemble.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';

const shown = (findings: readonly Finding[]) => findings.map(({ severity, what }) => `${severity}: ${what}`).join('\n');

async function probe(addresses: string): Promise<string> {
  const store = openZooKeeper(addresses, { commandTimeoutMs: 1_500 });
  try {
    return shown(await store.probe());
  } finally {
    await store.close();
  }
}

describe.skipIf(zookeeperIsMissing)('one server', () => {
  it('is said to be one, with the TTLs that it can keep', async () => {
    const server = await ZooKeeperServer.start({ maxSessionTimeout: 4_000 });
    try {
      const text = await probe(server.address);
      expect(text).toContain('is a single server');
      expect(text).toContain('warning: 127.0.0.1:');
      expect(text).toContain('allows sessions of at most 4000 ms');
      expect(text).not.toContain('does not answer');
    } finally {
      await server.stop();
    }
  });

  it('that permits no words is not looked at, and that is said', async () => {
    const server = await ZooKeeperServer.start({ '4lw.commands.whitelist': 'srvr', minSessionTimeout: 100 });
    try {
      const text = await probe(server.address);
      expect(text).toContain('does not answer conf, mntr');
    } finally {
      await server.stop();
    }
  });
});

describe.skipIf(zookeeperIsMissing)('three members', () => {
  let ensemble: ZooKeeperEnsemble;
  beforeAll(async () => {
    ensemble = await ZooKeeperEnsemble.start();
  });
  afterAll(() => ensemble.stop());

  it('nothing but what may be known', async () => {
    expect(await probe(ensemble.addresses)).not.toMatch(/critical|warning/);
  });

  it('one that is away', async () => {
    const [follower] = await ensemble.followers();
    await follower?.kill();
    const text = await probe(ensemble.addresses);
    expect(text).toContain(`warning: ${follower?.address} does not answer`);
    await follower?.boot();
  });
});

describe('a member that', () => {
  const member = {
    address: 'zk:2181',
    denied: [],
    srvr: new Map([['Mode', 'follower']]),
    conf: new Map<string, string>(),
    mntr: new Map<string, string>(),
  };
  it.each([
    ['serves nothing', { srvr: new Map() }, 'critical: zk:2181 serves no requests'],
    ['is old', { srvr: new Map([...member.srvr, ['Zookeeper version', '3.4.14-x']]) }, 'runs ZooKeeper 3.4.14'],
    [
      'allows sessions that are too short',
      { conf: new Map(Object.entries({ tickTime: '2000', minSessionTimeout: '1000', maxSessionTimeout: '40000' })) },
      'critical: zk:2181 allows sessions of 1000 ms, less than two ticks',
    ],
    [
      'has seen millions of elections',
      { srvr: new Map([...member.srvr, ['Zxid', '0x20000000000000']]) },
      'has seen 2097152 elections',
    ],
    ['is overloaded', { mntr: new Map([['zk_outstanding_requests', '500']]) }, 'has 500 requests waiting'],
    [
      'is nearly full of connections',
      { conf: new Map([['maxClientCnxns', '60']]), mntr: new Map([['zk_num_alive_connections', '59']]) },
      'has 59 connections, and takes 60',
    ],
  ])('%s', (_, over, what) => {
    expect(shown(ofMember({ ...member, ...over }))).toContain(what);
  });
});
