import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './free-port.js';
import { isMissing } from './missing.js';
import { standStill } from './stand-still.js';

/** Where Debian puts the server: not into the path, and in a folder for each version. */
function findBin(): string {
  const told = process.env['HOLDFAST_POSTGRES_BIN'];
  if (told !== undefined) return told;
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return versions[0] === undefined ? '' : path.join(debian, versions[0], 'bin');
}

const bin = findBin();
const program = (name: string) => path.join(bin, name);

export const postgresIsMissing = isMissing(program('postgres'), 'apt-get install postgresql');
export const pgbouncerIsMissing = isMissing('pgbouncer', 'apt-get install pgbouncer');

const startMsMax = 20_000;

/** The server refuses to run as root. */
export function serverUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}

/** A folder that the server may write to. */
export function serverFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-postgres-'));
  const { uid, gid } = serverUser();
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
  return folder;
}

/** A real server on a free loopback port, in a folder of its own. It writes nothing to the disk that a killed process would lose, and nothing else. */
export class PostgresServer {
  readonly port: number;
  readonly user = 'holdfast';
  readonly #folder: string;
  readonly #settings: readonly string[];
  #child: ChildProcess | undefined;
  #admin: pg.Client | undefined;

  private constructor(port: number, folder: string, settings: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#settings = settings;
  }

  /** @param settings such as `synchronous_commit=off` */
  static start(...settings: readonly string[]): Promise<PostgresServer> {
    return PostgresServer.#launch(settings, (folder) =>
      run('initdb', ['-D', path.join(folder, 'data'), '--no-sync', '-A', 'trust', '-U', 'holdfast', '-E', 'UTF8', '--locale=C']),
    );
  }

  /** A standby that follows `primary`, asynchronously. */
  static standby(primary: PostgresServer, ...settings: readonly string[]): Promise<PostgresServer> {
    return PostgresServer.#launch(settings, (folder) => {
      const from = ['-h', '127.0.0.1', '-p', String(primary.port), '-U', 'holdfast'];
      return run('pg_basebackup', [...from, '-D', path.join(folder, 'data'), '-R', '--no-sync', '-c', 'fast']);
    });
  }

  static async #launch(settings: readonly string[], fill: (folder: string) => void): Promise<PostgresServer> {
    for (let tries = 1; ; tries++) {
      const server = new PostgresServer(await freePort(), serverFolder(), settings);
      try {
        fill(server.#folder);
        await server.boot();
        return server;
      } catch (error) {
        await server.stop();
        if (tries === 3) throw error;
      }
    }
  }

  get url(): string {
    return `postgres://${this.user}@127.0.0.1:${this.port}/postgres`;
  }

  get data(): string {
    return path.join(this.#folder, 'data');
  }

  /** Starts it, again after it was killed: same port, same folder. */
  async boot(): Promise<void> {
    const fixed = [
      'fsync=off',
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${this.#folder}`,
      'max_connections=200',
      'shared_buffers=16MB',
      // In its folder, and gone with it: what is in /dev/shm stays there when a server is killed, and there may be little room.
      'dynamic_shared_memory_type=mmap',
    ];
    const args = ['-D', this.data, '-p', String(this.port), ...[...fixed, ...this.#settings].flatMap((one) => ['-c', one])];
    process.once('exit', this.#killNow);
    for (const endMs = performance.now() + startMsMax; ; await sleep(20)) {
      // What is left of a killed server may need a moment until it has seen that it is alone.
      if (!this.running) this.#child = spawn(program('postgres'), args, { stdio: 'ignore', ...serverUser() });
      if (await this.#answers()) return;
      if (performance.now() > endMs) throw new Error(`postgres did not start on port ${this.port}`);
    }
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    process.off('exit', this.#killNow);
    await this.#leave();
    if (child === undefined || !this.running) return;
    const family = this.#family();
    const ended = once(child, 'exit');
    child.kill(signal);
    if (signal === 'SIGKILL') for (const pid of family) tryKill(pid, signal);
    await ended;
  }

  /** Stops or continues the server with all its processes: one of them alone would be noticed by the others. */
  signalAll(signal: 'SIGSTOP' | 'SIGCONT'): void {
    for (const pid of this.#family()) tryKill(pid, signal);
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  /** Rows of one statement, past every client under test. */
  async rows(text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
    if (this.#admin === undefined) {
      const client = this.client();
      client.on('error', () => {});
      await client.connect();
      this.#admin = client;
    }
    return (await this.#admin.query(text, [...values])).rows as readonly Record<string, unknown>[];
  }

  /** The first column of the first row. */
  async value(text: string, values: readonly unknown[] = []): Promise<unknown> {
    return Object.values((await this.rows(text, values))[0] ?? {})[0];
  }

  /** A client of the test's own, to be connected and ended by it. */
  client(options: pg.ClientConfig = {}): pg.Client {
    return new pg.Client({ host: '127.0.0.1', port: this.port, user: this.user, database: 'postgres', ...options });
  }

  /** Ends every session but the one that says so. */
  async terminateOthers(where = 'true'): Promise<void> {
    await this.rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND (${where})`,
    );
  }

  async #answers(): Promise<boolean> {
    const client = this.client({ connectionTimeoutMillis: 1_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('SELECT 1');
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => {});
    }
  }

  async #leave(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    if (admin !== undefined) await Promise.race([admin.end().catch(() => {}), sleep(500)]);
  }

  /** The server and its children, by their ids. */
  #family(): readonly number[] {
    const pid = this.#child?.pid ?? 0;
    const children = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === pid);
    return [pid, ...children.map(Number)];
  }

  readonly #killNow = (): void => {
    this.#child?.kill('SIGKILL');
  };
}

function run(name: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program(name), args, { encoding: 'utf8', ...serverUser() });
  if (status !== 0) throw new Error(`${name} failed: ${error?.message ?? stderr}`);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    if (signal === 'SIGSTOP') standStill(pid);
    else process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
