import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { isMissing } from './missing.js';
import { signalTo } from './stand-still.js';

const jar = process.env['HOLDFAST_ZOOKEEPER_JAR'] ?? '/usr/share/java/zookeeper.jar';

export const zookeeperIsMissing = isZooKeeperMissing();

/** A missing server is a loud skip on a developer's machine, and a failure in CI. */
function isZooKeeperMissing(): boolean {
  const fix = 'apt-get install zookeeper default-jre-headless';
  if (isMissing('java', fix)) return true;
  if (existsSync(jar)) return false;
  if (process.env['CI'] === 'true') throw new Error(`${jar} is not there: ${fix}`);
  console.warn(`SKIPPED: ${jar} is not there (${fix})`);
  return true;
}

const startMsMax = 30_000;
const tickMs = 200;

/** A real server on a free loopback port, in a folder of its own: alone, or a member of an ensemble. */
export class ZooKeeperServer {
  readonly port: number;
  readonly #folder: string;
  readonly #settings: Readonly<Record<string, string | number>>;
  #child: ChildProcess | undefined;

  constructor(port: number, settings: Readonly<Record<string, string | number>>, id?: number) {
    this.port = port;
    this.#settings = settings;
    this.#folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-zookeeper-'));
    if (id !== undefined) {
      mkdirSync(this.#data, { recursive: true });
      writeFileSync(path.join(this.#data, 'myid'), String(id));
    }
  }

  static async start(settings: Readonly<Record<string, string | number>> = {}): Promise<ZooKeeperServer> {
    // Another process may take the port between its choice and its use.
    for (let tries = 1; ; tries++) {
      const server = new ZooKeeperServer(await freePort(), settings);
      try {
        await server.boot();
        return server;
      } catch (error) {
        await server.stop();
        if (tries === 3) throw error;
      }
    }
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `zk://${this.address}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }

  /** Starts it, again after it was killed: same port, same data. */
  async boot(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  spawn(): void {
    const config = path.join(this.#folder, 'zoo.cfg');
    writeFileSync(config, this.#config());
    const options = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dzookeeper.admin.enableServer=false'];
    const args = [...options, '-cp', jar, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', config];
    this.#child = spawn('java', args, { stdio: 'ignore' });
    process.once('exit', this.#killNow);
  }

  /** Answers requests, hence has found its ensemble. */
  async ready(): Promise<void> {
    for (const endMs = performance.now() + startMsMax; ; await sleep(20)) {
      if (!this.running || performance.now() > endMs) throw new Error(`ZooKeeper did not start on port ${this.port}`);
      if (/^Mode: /m.test(await this.word('srvr').catch(() => ''))) return;
    }
  }

  /** A four-letter word. */
  async word(word: string): Promise<string> {
    const socket = net.connect(this.port, '127.0.0.1');
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer')));
    try {
      await once(socket, 'connect');
      socket.end(word);
      let reply = '';
      for await (const chunk of socket) reply += String(chunk);
      return reply;
    } finally {
      socket.destroy();
    }
  }

  async mode(): Promise<string> {
    return /^Mode: (\w+)/m.exec(await this.word('srvr').catch(() => ''))?.[1] ?? '';
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
    await ended;
  }

  /** As on a machine that was set up anew. */
  forget(): void {
    rmSync(this.#data, { recursive: true, force: true, maxRetries: 5 });
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #config(): string {
    const settings = {
      tickTime: tickMs,
      dataDir: this.#data,
      clientPort: this.port,
      clientPortAddress: '127.0.0.1',
      '4lw.commands.whitelist': '*',
      forceSync: 'no',
      maxClientCnxns: 0,
      minSessionTimeout: 2 * tickMs,
      maxSessionTimeout: 120_000,
      ...this.#settings,
    };
    return Object.entries(settings)
      .map(([key, value]) => `${key}=${value}\n`)
      .join('');
  }

  readonly #killNow = (): void => {
    this.#child?.kill('SIGKILL');
  };
}
