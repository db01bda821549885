import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { freePort } from './free-port.js';
import { isMissing } from './missing.js';

export const mariadbIsMissing = isMissing('mariadbd', 'apt-get install mariadb-server');

const startMsMax = 30_000;

/** A real MariaDB on a free loopback port, in a folder of its own. It writes to the disk no more than it must. */
export class MariaDBServer {
  readonly port: number;
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-mariadb-'));
  #child: ChildProcess | undefined;
  #admin: mysql.Connection | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<MariaDBServer> {
    for (let tries = 1; ; tries++) {
      const server = new MariaDBServer(await freePort());
      try {
        server.#install();
        await server.#boot();
        return server;
      } catch (error) {
        await server.stop();
        if (tries === 3) throw error;
      }
    }
  }

  get url(): string {
    return `mysql://root@127.0.0.1:${this.port}/things`;
  }

  pool(options: mysql.PoolOptions = {}): mysql.Pool {
    return mysql.createPool({ uri: this.url, connectionLimit: 20, ...options });
  }

  /** Rows of one statement, past every client under test. */
  async rows(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    this.#admin ??= await mysql.createConnection({ host: '127.0.0.1', port: this.port, user: 'root' });
    await this.#admin.query('USE things').catch(() => {});
    return (await this.#admin.query(text, values))[0] as Record<string, unknown>[];
  }

  async value(text: string, values: unknown[] = []): Promise<unknown> {
    return Object.values((await this.rows(text, values))[0] ?? {})[0];
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killNow);
    this.#admin?.destroy();
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  get #user(): string {
    return `--user=${os.userInfo().username}`;
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }

  #install(): void {
    const args = [
      '--no-defaults',
      `--datadir=${this.#data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      this.#user,
    ];
    const { status, stderr, stdout, error } = spawnSync('mariadb-install-db', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`mariadb-install-db failed: ${error?.message ?? ''}${stdout}${stderr}`);
  }

  async #boot(): Promise<void> {
    const args = [
      '--no-defaults',
      `--datadir=${this.#data}`,
      `--port=${this.port}`,
      '--bind-address=127.0.0.1',
      `--socket=${path.join(this.#folder, 'socket')}`,
      `--pid-file=${path.join(this.#folder, 'pid')}`,
      '--innodb-flush-log-at-trx-commit=0',
      '--innodb-buffer-pool-size=32M',
      this.#user,
    ];
    process.once('exit', this.#killNow);
    this.#child = spawn('mariadbd', args, { stdio: 'ignore' });
    for (const endMs = performance.now() + startMsMax; ; await sleep(50)) {
      try {
        await this.rows('CREATE DATABASE IF NOT EXISTS things');
        return;
      } catch (error) {
        this.#admin = undefined;
        if (performance.now() > endMs) throw new Error(`mariadbd did not start on port ${this.port}`, { cause: error });
      }
    }
  }

  readonly #killNow = (): void => {
    this.#child?.kill('SIGKILL');
  };
}
