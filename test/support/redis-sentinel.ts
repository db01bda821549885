import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMissing } from './missing.js';
import { linked } from './redis-cluster.js';
import { RedisServer } from './redis-server.js';

const program = 'redis-sentinel';
export const sentinelIsMissing = isMissing(program, 'apt-get install redis-sentinel');

const master = 'main';
const knownMsMax = 15_000;
/** An election that nobody has won is repeated after twice the time of a failover. */
const failoverMsMax = 30_000;
const vigilantMs = 1_000;
const patientMs = 60_000;

/**
 * A master, its replicas, and sentinels that watch over them. They take silence for death quickly where a test wants a failover,
 * and else are patient: on a busy machine a server that lives may be silent for a second.
 */
export class RedisSentinels {
  readonly master: RedisServer;
  readonly replicas: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.master = servers[0] as RedisServer;
    this.replicas = servers.slice(1);
    this.sentinels = sentinels;
  }

  static async start(replicaCount = 2, sentinelCount = 3): Promise<RedisSentinels> {
    // Without it, a master waits five seconds for more replicas before it gives them its data.
    const atOnce = ['--repl-diskless-sync-delay', '0'];
    const first = await RedisServer.start(...atOnce);
    const of = ['--replicaof', '127.0.0.1', String(first.port), ...atOnce];
    const replicas = await Promise.all(Array.from({ length: replicaCount }, () => RedisServer.start(...of)));
    const sentinels = await Promise.all(Array.from({ length: sentinelCount }, () => startSentinel(first.port, sentinelCount)));
    const all = new RedisSentinels([first, ...replicas], sentinels);
    try {
      for (const replica of replicas) await linked(replica);
      await all.#known();
      return all;
    } catch (error) {
      await all.stop();
      throw error;
    }
  }

  get servers(): readonly RedisServer[] {
    return [this.master, ...this.replicas];
  }

  get url(): string {
    return `redis+sentinel://${this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${master}`;
  }

  /** Whatever the first master was told, every replica knows. */
  async replicated(): Promise<void> {
    const all = String(this.replicas.length);
    const reply = await this.master.command('WAIT', all, String(knownMsMax));
    if (reply !== `:${all}\r\n`) throw new Error(`of ${all} replicas there answered: ${reply}`);
  }

  /** What the sentinels call the master just now. */
  async current(): Promise<RedisServer> {
    const reply = await this.sentinels[0]?.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master);
    return this.servers.find(({ port }) => reply?.includes(`\r\n${port}\r\n`)) as RedisServer;
  }

  /** From now on whoever is silent for a second is dead. */
  vigilant(): Promise<void> {
    return this.#takeForDead(vigilantMs);
  }

  async killMaster(): Promise<void> {
    await this.vigilant();
    await this.master.kill();
  }

  /** Waits until the sentinels have made another server the master, and it says so itself; they leave it so from then on. */
  async failedOver(from: RedisServer): Promise<RedisServer> {
    for (const endMs = performance.now() + failoverMsMax; ; await sleep(20)) {
      const now = await this.current();
      if (now !== from && (await now.command('ROLE')).includes('master')) {
        await this.#takeForDead(patientMs);
        return now;
      }
      if (performance.now() > endMs) throw new Error('the sentinels chose no other master');
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()));
  }

  async #takeForDead(afterMs: number): Promise<void> {
    for (const sentinel of this.sentinels) {
      const reply = await sentinel.command('SENTINEL', 'SET', master, 'down-after-milliseconds', String(afterMs));
      if (reply !== '') throw new Error(`a sentinel answered: ${reply}`);
    }
  }

  /** Sentinels learn of each other and of replicas from what the master says every few seconds. */
  async #known(): Promise<void> {
    const [replicas, others] = [this.replicas.length, this.sentinels.length - 1];
    for (const sentinel of this.sentinels) {
      for (const endMs = performance.now() + knownMsMax; ; await sleep(50)) {
        const reply = await sentinel.command('SENTINEL', 'MASTER', master);
        const count = (field: string) => Number(new RegExp(`${field}\r\n\\$\\d+\r\n(\\d+)`).exec(reply)?.[1]);
        if (count('num-slaves') === replicas && count('num-other-sentinels') === others) break;
        if (performance.now() > endMs) throw new Error(`a sentinel does not know the others:\n${reply}`);
      }
    }
  }
}

function startSentinel(masterPort: number, count: number): Promise<RedisServer> {
  const quorum = Math.floor(count / 2) + 1;
  const args = (port: number, folder: string) => {
    const file = path.join(folder, 'sentinel.conf');
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor ${master} 127.0.0.1 ${masterPort} ${quorum}`,
      `sentinel down-after-milliseconds ${master} ${patientMs}`,
      `sentinel failover-timeout ${master} 4000`,
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    return [file];
  };
  return RedisServer.launch({ program, args });
}
