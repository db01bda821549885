import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConsulFake } from './consul-fake.js';
import { freePort } from './free-port.js';
import { signalTo } from './stand-still.js';

const built = path.join(process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'holdfast/consul-1.22.0/consul');

/** `node scripts/consul-agent.mjs` builds one; `CONSUL_BIN` names another. */
const program = process.env['CONSUL_BIN'] || (existsSync(built) ? built : 'consul');

/** It cannot be had everywhere, so its absence is no failure; `not-run.ts` says it by name at the end of the run. */
export const consulIsMissing = spawnSync(program, ['version']).status !== 0;

const startMsMax = 30_000;

interface Ports {
  readonly http: number;
  readonly server: number;
  readonly serf: number;
  readonly https?: number;
}

export interface ConsulConfig {
  /** Keeps its data in its folder, so that it can be killed and started again. Otherwise nothing is left after a restart. */
  readonly keepsData?: boolean;
  /** Files in PEM: it takes TLS as well, on `secureAddress`. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** More of the configuration file. */
  readonly more?: object;
}

/** One real agent that is a server, on free loopback ports, in a folder of its own. */
export class ConsulServer {
  readonly port: number;
  readonly #ports: Ports;
  readonly #folder: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(
    name: string,
    ports: Ports,
    servers: readonly Ports[],
    { keepsData = servers.length > 1, certificate, more = {} }: ConsulConfig,
  ) {
    this.port = ports.http;
    this.#ports = ports;
    this.#folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-consul-'));
    const others = servers.filter((each) => each !== ports);
    const config = {
      node_name: name,
      ports: { ...ports, serf_lan: ports.serf, serf: undefined, serf_wan: -1, dns: -1, grpc: -1, grpc_tls: -1 },
      ui_config: { enabled: false },
      connect: { enabled: false },
      peering: { enabled: false },
      // One client of many connections, where there would be many machines.
      limits: { http_max_conns_per_client: 10_000 },
      performance: { raft_multiplier: 1 },
      disable_update_check: true,
      log_level: 'ERROR',
      ...(keepsData ? { server: true, bootstrap_expect: servers.length, data_dir: path.join(this.#folder, 'data') } : {}),
      ...(keepsData ? { retry_join: others.map(({ serf }) => `127.0.0.1:${serf}`), retry_interval: '1s' } : {}),
      ...(certificate === undefined ? {} : { tls: { https: { cert_file: certificate.cert, key_file: certificate.key } } }),
      bind_addr: '127.0.0.1',
      client_addr: '127.0.0.1',
      ...more,
    };
    const file = path.join(this.#folder, 'agent.json');
    writeFileSync(file, JSON.stringify(config));
    this.#args = ['agent', ...(keepsData ? [] : ['-dev']), '-config-file', file];
  }

  static async start(config: ConsulConfig = {}): Promise<ConsulServer> {
    const cluster = await ConsulCluster.start(1, config);
    return cluster.first;
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get secureAddress(): string {
    return `https://127.0.0.1:${this.#ports.https}`;
  }

  /** Restarted without its data: it counts from 1 again. Only for one that keeps none. */
  async forget(): Promise<void> {
    await this.kill();
    this.launch();
    await this.ready();
  }

  get rpcPort(): number {
    return this.#ports.server;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it, again after it was killed: same ports, same folder. */
  launch(): void {
    this.#child = spawn(program, this.#args, { stdio: 'ignore' });
    process.once('exit', this.#killNow);
  }

  /** Waits until it answers, has a leader, and takes writes. */
  async ready(): Promise<void> {
    for (const endMs = performance.now() + startMsMax; ; await sleep(50)) {
      if (!this.running || performance.now() > endMs) throw new Error(`Consul did not start on port ${this.port}`);
      const done = await this.http('PUT', '/v1/kv/ready', 'x').catch(() => '');
      if (done.includes('true') && (await this.http('DELETE', '/v1/kv/ready').catch(() => '')).includes('true')) return;
    }
  }

  signal(signal: NodeJS.Signals): void {
    signalTo(this.#child, signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    process.off('exit', this.#killNow);
    if (child === undefined || !this.running) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    child.kill('SIGCONT');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** One request past this library; answers the text, or throws what an agent calls an error. */
  async http(method: string, requestPath: string, body?: string, timeoutMs = 2_000): Promise<string> {
    const reply = await fetch(this.address + requestPath, {
      method,
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await reply.text();
    if (!reply.ok && reply.status !== 404) throw new Error(`${reply.status}: ${text}`);
    return reply.ok ? text : '';
  }

  /** Of locks, without owners that are only remembered. */
  async keys(prefix = 'holdfast/locks/'): Promise<readonly string[]> {
    return JSON.parse((await this.http('GET', `/v1/kv/${prefix}?keys`)) || '[]') as string[];
  }

  /** Those that locks may be under. */
  async sessions(): Promise<readonly { readonly ID: string; readonly Name: string }[]> {
    return JSON.parse(await this.http('GET', '/v1/session/list')) as { ID: string; Name: string }[];
  }

  readonly #killNow = (): void => {
    this.#child?.kill('SIGKILL');
  };
}

/** Some servers that form a cluster. */
export class ConsulCluster {
  readonly members: readonly ConsulServer[];

  private constructor(members: readonly ConsulServer[]) {
    this.members = members;
  }

  static async start(count = 1, config: ConsulConfig = {}): Promise<ConsulCluster> {
    // Another process may take a port between its choice and its use.
    for (let tries = 1; ; tries++) {
      const ports: Ports[] = [];
      const secure = async () => (config.certificate === undefined ? {} : { https: await freePort() });
      for (let i = 0; i < count; i++) {
        ports.push({ http: await freePort(), server: await freePort(), serf: await freePort(), ...(await secure()) });
      }
      const started = new ConsulCluster(ports.map((each, i) => new ConsulServer(`m${i}`, each, ports, config)));
      try {
        for (const member of started.members) member.launch();
        await started.ready();
        return started;
      } catch (error) {
        await started.stop();
        if (tries === 3) throw error;
      }
    }
  }

  get first(): ConsulServer {
    return this.members[0] as ConsulServer;
  }

  get addresses(): readonly string[] {
    return this.members.map((member) => member.address);
  }

  async ready(): Promise<void> {
    await Promise.all(this.members.map((member) => member.ready()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }

  /** The member that leads, as any of these says. */
  async leader(among: readonly ConsulServer[] = this.members): Promise<ConsulServer> {
    for (let tries = 1; tries <= 100; tries++) {
      for (const member of among) {
        const said = await member.http('GET', '/v1/status/leader').catch(() => '""');
        const leader = this.members.find(({ rpcPort }) => said.includes(`:${rpcPort}"`));
        if (leader !== undefined) return leader;
      }
      await sleep(100);
    }
    throw new Error('no member leads');
  }
}

/** An agent where there is one, else what stands for it. */
export interface SomeConsul {
  readonly port: number;
  readonly address: string;
  keys(prefix?: string): Promise<readonly string[]>;
  sessions(): Promise<readonly { readonly ID: string; readonly Name: string }[]>;
  forget(): Promise<void>;
  stop(): Promise<void>;
}

/** @param ttlMinMs the shortest session */
export function startSomeConsul(ttlMinMs?: number): Promise<SomeConsul> {
  if (consulIsMissing) return ConsulFake.start(ttlMinMs);
  return ConsulServer.start(ttlMinMs === undefined ? {} : { more: { session_ttl_min: `${ttlMinMs}ms` } });
}
