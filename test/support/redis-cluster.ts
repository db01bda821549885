import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { RedisServer } from './redis-server.js';

const slots = 16_384;
const startMsMax = 15_000;
/** Where a replica is to take over soon, and while they get to know each other. */
const vigilantMs = 1_000;
/** Else: on a busy machine a node that lives may be silent for a second. */
const patientMs = 60_000;

/** A master waits five seconds for more replicas before it sends the first its data, unless told not to. */
export const syncAtOnce = ['--repl-diskless-sync-delay', '0'];

/** A real Cluster: each master has its share of the slots, and as many replicas as asked for. */
export class RedisCluster {
  readonly masters: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];

  private constructor(masters: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.masters = masters;
    this.replicas = replicas;
  }

  static async start(masterCount = 3, replicasEach = 0): Promise<RedisCluster> {
    const nodes = await Promise.all(Array.from({ length: masterCount * (1 + replicasEach) }, startNode));
    const cluster = new RedisCluster(nodes.slice(0, masterCount), nodes.slice(masterCount));
    try {
      await cluster.#join();
      if (replicasEach === 0) await cluster.#setNodeTimeout(patientMs);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get nodes(): readonly RedisServer[] {
    return [...this.masters, ...this.replicas];
  }

  /** With all masters, as an application would have it. */
  get url(): string {
    return `redis+cluster://${this.masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** The master that has a key, where no slot was moved. */
  async ownerOf(key: string): Promise<RedisServer> {
    const [first] = this.masters;
    const slot = Number((await first?.command('CLUSTER', 'KEYSLOT', key))?.slice(1));
    return this.masters[Math.floor((slot * this.masters.length) / slots)] as RedisServer;
  }

  async flush(): Promise<void> {
    await Promise.all(this.masters.map((node) => node.command('FLUSHALL')));
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  async #join(): Promise<void> {
    const [first] = this.masters;
    if (first === undefined) throw new Error('a Cluster has at least one master');
    const shareOf = (index: number) => Math.ceil((index * slots) / this.masters.length);
    for (const [index, node] of this.nodes.entries()) {
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
      if (index >= this.masters.length) continue;
      await node.command('CLUSTER', 'ADDSLOTSRANGE', String(shareOf(index)), String(shareOf(index + 1) - 1));
    }
    for (const node of this.nodes.slice(1)) {
      const bus = (await node.command('CONFIG', 'GET', 'cluster-port')).split('\r\n')[4] ?? '';
      await first.command('CLUSTER', 'MEET', '127.0.0.1', String(node.port), bus);
    }
    await this.#until((info) => info.includes(`cluster_known_nodes:${this.nodes.length}`));
    for (const [index, replica] of this.replicas.entries()) {
      const master = this.masters[index % this.masters.length] as RedisServer;
      const [id = ''] = await master.lines('CLUSTER', 'MYID');
      await replica.command('CLUSTER', 'REPLICATE', id.trim());
    }
    await this.#until((info) => info.includes('cluster_state:ok'));
    for (const replica of this.replicas) await linked(replica);
  }

  async #setNodeTimeout(ms: number): Promise<void> {
    for (const node of this.nodes) await node.command('CONFIG', 'SET', 'cluster-node-timeout', String(ms));
    await this.#until((info) => info.includes('cluster_state:ok'));
  }

  async #until(isSo: (info: string) => boolean): Promise<void> {
    for (const endMs = performance.now() + startMsMax; ; await sleep(20)) {
      const infos = await Promise.all(this.nodes.map((node) => node.command('CLUSTER', 'INFO')));
      if (infos.every(isSo)) return;
      if (performance.now() > endMs) throw new Error(`the Cluster did not come up:\n${infos.join('\n')}`);
    }
  }
}

async function startNode(): Promise<RedisServer> {
  const bus = String(await freePort());
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', bus, '--cluster-node-timeout', String(vigilantMs)];
  return RedisServer.start(...cluster, ...syncAtOnce);
}

/** Waits until a replica has its master's data. */
export async function linked(replica: RedisServer): Promise<void> {
  for (const endMs = performance.now() + startMsMax; ; await sleep(20)) {
    const info = await replica.command('INFO', 'replication');
    if (info.includes('master_link_status:up')) return;
    if (performance.now() > endMs) throw new Error(`the replica did not find its master:\n${info}`);
  }
}
