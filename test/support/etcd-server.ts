import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Certificate } from './certificate.js';
import { freePort } from './free-port.js';
import type { Hosts } from './hosts.js';
import { isMissing } from './missing.js';
import { signalTo } from './stand-still.js';

export const etcdIsMissing =
  isMissing('etcd', 'apt-get install etcd-server') || isMissing('etcdctl', 'apt-get install etcd-client', 'version');

const startMsMax = 15_000;

/** Fast elections: with them a lease of one second is kept as it is, and a leader that is gone is missed soon. */
const heartbeatMs = 20;
const electionMs = 200;

interface Place {
  readonly host: string;
  readonly client: number;
  readonly peer: number;
  /** What it is run with. */
  readonly command?: readonly string[];
  /** Clients come through TLS. */
  readonly certificate?: Certificate;
}

/** One real member, in a folder of its own. Nothing is synced to the disk. */
export class EtcdMember {
  readonly port: number;
  readonly #host: string;
  readonly #command: readonly string[];
  readonly #certificate: Certificate | undefined;
  readonly #name: string;
  readonly #folder: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(name: string, place: Place, cluster: string, extra: readonly string[]) {
    this.port = place.client;
    this.#host = place.host;
    this.#command = [...(place.command ?? []), 'etcd'];
    this.#certificate = place.certificate;
    this.#name = name;
    this.#folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-etcd-'));
    const client = this.#url;
    const peer = `http://${place.host}:${place.peer}`;
    this.#args = [
      ...['--name', name, '--data-dir', path.join(this.#folder, 'data'), '--log-level', 'error', '--unsafe-no-fsync'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', advertised(cluster, name)],
      ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
      ...['--heartbeat-interval', String(heartbeatMs), '--election-timeout', String(electionMs)],
      ...(place.certificate === undefined ? [] : ['--cert-file', place.certificate.cert, '--key-file', place.certificate.key]),
      ...extra,
    ];
  }

  get #url(): string {
    return `${this.#certificate === undefined ? 'http' : 'https'}://${this.address}`;
  }

  get address(): string {
    return `${this.#host}:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it, again after it was killed: same ports, same folder. */
  launch(...extra: readonly string[]): void {
    const [program = '', ...before] = this.#command;
    this.#child = spawn(program, [...before, ...this.#args, ...extra], { stdio: 'ignore' });
    process.once('exit', this.#killNow);
  }

  /** Waits until it answers, and has a leader. */
  async ready(): Promise<void> {
    for (const endMs = performance.now() + startMsMax; ; await sleep(20)) {
      if (!this.running || performance.now() > endMs) throw new Error(`etcd did not start on port ${this.port}`);
      if (await this.#isHealthy().catch(() => false)) return;
    }
  }

  async #isHealthy(): Promise<boolean> {
    if (this.#certificate !== undefined) return (await this.ctl('endpoint', 'health', '--command-timeout=1s')) !== undefined;
    const reply = await fetch(`${this.#url}/health`, { signal: AbortSignal.timeout(1_000) });
    return (await reply.text()).includes('"true"');
  }

  signal(signal: NodeJS.Signals): void {
    signalTo(this.#child, signal);
  }

  /** Ends it and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    process.off('exit', this.#killNow);
    if (child === undefined || !this.running) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    if (signal === 'SIGKILL') child.kill('SIGCONT');
    await ended;
  }

  /** Its data, as after a disk was replaced. */
  forget(): void {
    rmSync(path.join(this.#folder, 'data'), { recursive: true, force: true, maxRetries: 5 });
  }

  /** Killed, given the data of a snapshot, and started again. */
  async restore(snapshot: string, token = 'etcd-cluster'): Promise<void> {
    await this.kill();
    this.forget();
    const value = (flag: string) => this.#args[this.#args.indexOf(flag) + 1] ?? '';
    await this.ctl(
      ...['snapshot', 'restore', snapshot, '--data-dir', value('--data-dir'), '--name', this.#name],
      ...['--initial-cluster', value('--initial-cluster'), '--initial-cluster-token', token],
      ...['--initial-advertise-peer-urls', value('--initial-advertise-peer-urls')],
    );
    this.launch('--initial-cluster-token', token);
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** One command past this library; answers what it printed. */
  async ctl(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, ETCDCTL_API: '3' };
    const trust = this.#certificate === undefined ? [] : [`--cacert=${this.#certificate.cert}`];
    const { stdout } = await promisify(execFile)('etcdctl', [`--endpoints=${this.#url}`, ...trust, ...args], { env });
    return stdout;
  }

  readonly #killNow = (): void => {
    this.#child?.kill('SIGKILL');
  };

  toString(): string {
    return this.#name;
  }
}

function advertised(cluster: string, name: string): string {
  return (
    cluster
      .split(',')
      .find((entry) => entry.startsWith(`${name}=`))
      ?.slice(name.length + 1) ?? ''
  );
}

/** Some members that form a cluster. */
export class EtcdCluster {
  readonly members: readonly EtcdMember[];

  private constructor(members: readonly EtcdMember[]) {
    this.members = members;
  }

  /**
   * @param between what other members reach a member through, if not directly
   */
  static async start(
    count = 1,
    extra: readonly string[] = [],
    between: (peerPort: number, index: number) => Promise<number> = (port) => Promise.resolve(port),
  ): Promise<EtcdCluster> {
    // Another process may take a port between its choice and its use.
    for (let tries = 1; ; tries++) {
      const places: Place[] = [];
      for (let i = 0; i < count; i++) {
        places.push({ host: '127.0.0.1', client: await freePort(), peer: await freePort() });
      }
      const advertisedPorts = await Promise.all(places.map(({ peer }, i) => between(peer, i)));
      const cluster = advertisedPorts.map((port, i) => `m${i}=http://127.0.0.1:${port}`).join(',');
      try {
        return await EtcdCluster.#launch(places, cluster, extra);
      } catch (error) {
        if (tries === 3) throw error;
      }
    }
  }

  /** A member on each host. */
  static startOn(hosts: Hosts): Promise<EtcdCluster> {
    const places = Array.from(
      { length: hosts.count },
      (_, i): Place => ({ host: hosts.address(i), client: 2_379, peer: 2_380, command: hosts.command(i) }),
    );
    const cluster = places.map(({ host, peer }, i) => `m${i}=http://${host}:${peer}`).join(',');
    return EtcdCluster.#launch(places, cluster, []);
  }

  /** One member, which clients reach through TLS. */
  static async startSecure(certificate: Certificate): Promise<EtcdCluster> {
    const place = { host: '127.0.0.1', client: await freePort(), peer: await freePort(), certificate };
    return EtcdCluster.#launch([place], `m0=http://127.0.0.1:${place.peer}`, []);
  }

  static async #launch(places: readonly Place[], cluster: string, extra: readonly string[]): Promise<EtcdCluster> {
    const started = new EtcdCluster(places.map((place, i) => new EtcdMember(`m${i}`, place, cluster, extra)));
    try {
      for (const member of started.members) member.launch();
      await started.ready();
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  get first(): EtcdMember {
    return this.members[0] as EtcdMember;
  }

  get endpoints(): readonly string[] {
    return this.members.map((member) => member.address);
  }

  async ready(): Promise<void> {
    await Promise.all(this.members.map((member) => member.ready()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
  }

  /** The member that leads, as any of these says. */
  async leader(among: readonly EtcdMember[] = this.members): Promise<EtcdMember> {
    for (let tries = 1; ; tries++) {
      for (const member of among) {
        const said = await member.ctl('endpoint', 'status', '-w', 'json', '--command-timeout=1s').catch(() => '[]');
        const [status] = JSON.parse(said) as { Status: { header: { member_id: number }; leader: number } }[];
        if (status !== undefined && status.Status.leader === status.Status.header.member_id) return member;
      }
      if (tries === 50) throw new Error('no member leads');
      await sleep(50);
    }
  }

  /** Keys of locks, without those that are only remembered. */
  async keys(prefix = 'holdfast/'): Promise<readonly string[]> {
    const lines = (await this.first.ctl('get', '--prefix', prefix, '--keys-only')).split('\n');
    return lines.filter((line) => /\/(held|queue)\//.test(line));
  }
}
