import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { signalTo } from './stand-still.js';

/** A stand-in for DynamoDB that runs on this machine, and how it is started. */
export interface Kind {
  readonly name: string;
  /** It keeps its data in the folder, so that it can be killed and started again. */
  command(port: number, folder: string): readonly [program: string, ...args: string[]];
}

const require = createRequire(import.meta.url);
const dynaliteProgram = path.join(path.dirname(require.resolve('dynalite/package.json')), 'cli.js');
const atOnce = ['createTableMs', 'deleteTableMs', 'updateTableMs'].flatMap((delay) => [`--${delay}`, '0']);

export const dynalite: Kind = {
  name: 'dynalite',
  command: (port, folder) => [
    process.execPath,
    dynaliteProgram,
    ...['--host', '127.0.0.1', '--port', String(port), '--path', folder],
    ...atOnce,
  ],
};

/** As `dynalite`, and as fast as it gets: nothing is left after a restart. */
export const dynaliteInMemory: Kind = {
  name: 'dynalite',
  command: (port) => [process.execPath, dynaliteProgram, '--host', '127.0.0.1', '--port', String(port), ...atOnce],
};

const localFolder = path.join(
  process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'),
  'holdfast/dynamodb-local-2.5.2/lib',
);

/** Amazon's own; `node scripts/dynamodb-local.mjs` fetches it. */
export const dynamodbLocal: Kind = {
  name: 'DynamoDB Local',
  command: (port) => [
    'java',
    `-Djava.library.path=${localFolder}`,
    ...['-cp', `${localFolder}/*`, 'com.amazonaws.services.dynamodbv2.local.main.ServerRunner'],
    ...['-inMemory', '-disableTelemetry', '-port', String(port)],
  ],
};

/** It cannot be had everywhere, so its absence is no failure; `not-run.ts` says it by name at the end of the run. */
export const dynamodbLocalIsMissing = !existsSync(localFolder) || spawnSync('java', ['-version']).status !== 0;

const startMsMax = 20_000;

/** A real server on a free loopback port, in a folder of its own. */
export class DynamoDBServer {
  readonly port: number;
  readonly folder: string;
  readonly #kind: Kind;
  readonly #clients: DynamoDB[] = [];
  #child: ChildProcess | undefined;

  private constructor(port: number, kind: Kind) {
    this.port = port;
    this.#kind = kind;
    this.folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-dynamodb-'));
  }

  static async start(kind: Kind = dynaliteInMemory): Promise<DynamoDBServer> {
    // Another process may take the port between its choice and its use.
    for (let tries = 1; ; tries++) {
      const server = new DynamoDBServer(await freePort(), kind);
      try {
        await server.boot();
        return server;
      } catch (error) {
        await server.stop();
        if (tries === 3) throw error;
      }
    }
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it, again after it was killed: same port, same folder. */
  async boot(): Promise<void> {
    const [program, ...args] = this.#kind.command(this.port, this.folder);
    const child = spawn(program, args, { stdio: 'ignore', cwd: this.folder });
    this.#child = child;
    process.once('exit', this.#killNow);
    for (const endMs = performance.now() + startMsMax; ; await sleep(20)) {
      if (child.exitCode !== null || performance.now() > endMs) throw new Error(`${this.#kind.name} did not start`);
      if (await answers(this.port)) return;
    }
  }

  signal(signal: NodeJS.Signals): void {
    signalTo(this.#child, signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    process.off('exit', this.#killNow);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** A client as an application makes one; ended with the server. */
  client(port = this.port, maxAttempts = 3): DynamoDB {
    const client = new DynamoDB({ ...clientConfig(port), maxAttempts });
    this.#clients.push(client);
    return client;
  }

  async makeTable(TableName = 'holdfast'): Promise<void> {
    await this.client().createTable({
      TableName,
      AttributeDefinitions: [{ AttributeName: 'name', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    await this.#until(TableName, 'ACTIVE');
  }

  async dropTable(TableName = 'holdfast'): Promise<void> {
    await this.client().deleteTable({ TableName });
    await this.#until(TableName, undefined);
  }

  async #until(TableName: string, wanted: string | undefined): Promise<void> {
    const client = this.client();
    for (const endMs = performance.now() + startMsMax; performance.now() < endMs; await sleep(10)) {
      const status = await client.describeTable({ TableName }).then(
        ({ Table }) => Table?.TableStatus,
        () => undefined,
      );
      if (status === wanted) return;
    }
    throw new Error(`the table ${TableName} is not ${wanted ?? 'gone'} after ${startMsMax} ms`);
  }

  readonly #killNow = (): void => {
    this.#child?.kill('SIGKILL');
  };
}

export function clientConfig(port: number) {
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
