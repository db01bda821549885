import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { S3 } from '@aws-sdk/client-s3';

const program = path.join(
  process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'),
  'holdfast/s3-server-v1.2.0/s3-server',
);

/** `node scripts/s3-server.mjs` builds it. It cannot be had everywhere, so its absence is no failure; `not-run.ts` says it by name. */
export const s3IsMissing = !existsSync(program);

/** A server that speaks S3, in memory, on a free loopback port. */
export class S3Server {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(...buckets: readonly string[]): Promise<S3Server> {
    const child = spawn(program, { stdio: ['ignore', 'pipe', 'ignore'] });
    process.once('exit', () => child.kill('SIGKILL'));
    const lines = createInterface(child.stdout);
    const [line] = (await once(lines, 'line')) as [string];
    const server = new S3Server(child, Number(line));
    const client = server.client();
    for (const Bucket of buckets) await client.createBucket({ Bucket });
    client.destroy();
    return server;
  }

  /** @param port where it is reached, if not directly */
  client(port = this.port): S3 {
    return new S3({
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
