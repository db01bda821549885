import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { ZooKeeperServer } from './zookeeper-server.js';

/** Three members on one machine, of which one leads. */
export class ZooKeeperEnsemble {
  readonly members: readonly ZooKeeperServer[];

  private constructor(members: readonly ZooKeeperServer[]) {
    this.members = members;
  }

  static async start(settings: Readonly<Record<string, string | number>> = {}): Promise<ZooKeeperEnsemble> {
    const ports = await Promise.all(Array.from({ length: 9 }, freePort));
    const servers = [1, 2, 3].map((id) => [`server.${id}`, `127.0.0.1:${ports[id]}:${ports[id + 3]}`]);
    const shared = { initLimit: 20, syncLimit: 10, ...Object.fromEntries(servers), ...settings };
    const members = [0, 7, 8].map((port, i) => new ZooKeeperServer(ports[port] as number, shared, i + 1));
    const ensemble = new ZooKeeperEnsemble(members);
    try {
      for (const member of members) member.spawn();
      await ensemble.ready();
      return ensemble;
    } catch (error) {
      await ensemble.stop();
      throw error;
    }
  }

  /** All members are up and have found each other. */
  async ready(): Promise<void> {
    await Promise.all(this.members.map((member) => member.ready()));
  }

  get addresses(): string {
    return this.members.map((member) => member.address).join(',');
  }

  async leader(): Promise<ZooKeeperServer> {
    for (const endMs = performance.now() + 20_000; performance.now() < endMs; await sleep(50)) {
      for (const member of this.members) if (member.running && (await member.mode()) === 'leader') return member;
    }
    throw new Error('the ensemble has no leader');
  }

  async followers(): Promise<readonly ZooKeeperServer[]> {
    const leader = await this.leader();
    return this.members.filter((member) => member !== leader);
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }
}
