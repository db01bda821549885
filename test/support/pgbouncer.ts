import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './free-port.js';
import { serverFolder, serverUser } from './postgres-server.js';

/** A transaction pooler in front of a server. */
export class PgBouncer {
  readonly url: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(url: string, folder: string, child: ChildProcess) {
    this.url = url;
    this.#folder = folder;
    this.#child = child;
    process.once('exit', this.#killNow);
  }

  static async start(serverPort: number, user: string): Promise<PgBouncer> {
    const [folder, port] = [serverFolder(), await freePort()];
    const file = path.join(folder, 'pgbouncer.ini');
    const lines = [
      '[databases]',
      `postgres = host=127.0.0.1 port=${serverPort} user=${user}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = any',
      'pool_mode = transaction',
      'default_pool_size = 8',
      'max_client_conn = 500',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const child = spawn('pgbouncer', [file], { stdio: 'ignore', ...serverUser() });
    const pooler = new PgBouncer(`postgres://${user}@127.0.0.1:${port}/postgres`, folder, child);
    for (const endMs = performance.now() + 10_000; ; await sleep(20)) {
      const client = new pg.Client({ connectionString: pooler.url });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('SELECT 1');
        return pooler;
      } catch (error) {
        if (performance.now() > endMs) {
          await pooler.stop();
          throw error;
        }
      } finally {
        await client.end().catch(() => {});
      }
    }
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killNow);
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  readonly #killNow = (): void => {
    this.#child.kill('SIGKILL');
  };
}
