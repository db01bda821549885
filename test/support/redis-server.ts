import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.js';
import { isMissing } from './missing.js';

const redisProgram = process.env['HOLDFAST_REDIS_SERVER'] ?? 'redis-server';

export const redisIsMissing = isMissing(redisProgram, 'apt-get install redis-server');

/** What is started: a program, and what it is told of its port and folder, after which the caller's arguments follow. */
export interface Kind {
  readonly program: string;
  readonly args: (port: number, folder: string) => readonly string[];
}

const redisKind: Kind = { program: redisProgram, args: serverArgs };

/** Those of a server without persistence. */
export function serverArgs(port: number, folder: string): readonly string[] {
  return ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
}

const startMsMax = 10_000;

/** Sentinels have no QUIT. */
const noQuit = /-ERR unknown command 'QUIT'[^\r]*\r\n$/;

/** A real server on a free loopback port, in a folder of its own, without persistence unless asked for. */
export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #program: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string, kind: Kind, args: readonly string[]) {
    this.port = port;
    this.#folder = folder;
    this.#program = kind.program;
    this.#args = [...kind.args(port, folder), ...args];
  }

  static start(...args: readonly string[]): Promise<RedisServer> {
    return RedisServer.launch(redisKind, ...args);
  }

  static async launch(kind: Kind, ...args: readonly string[]): Promise<RedisServer> {
    // Another process may take the port between its choice and its use.
    for (let tries = 1; ; tries++) {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-redis-'));
      const server = new RedisServer(await freePort(), folder, kind, args);
      try {
        await server.boot();
        return server;
      } catch (error) {
        await server.stop();
        if (tries === 3) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it, again after it was killed: same port, same folder. */
  async boot(): Promise<void> {
    const program = this.#program;
    const child = spawn(program, this.#args, { stdio: 'ignore' });
    this.#child = child;
    process.once('exit', this.#killNow);
    for (const endMs = performance.now() + startMsMax; ; await sleep(10)) {
      if (child.exitCode !== null || performance.now() > endMs) throw new Error(`${program} did not start on port ${this.port}`);
      if (
        await this.command('PING').then(
          (pong) => /^(?:\+PONG|-NOAUTH)/.test(pong),
          () => false,
        )
      )
        return;
    }
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

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** One command past every client library; answers the raw reply. */
  async command(...args: readonly string[]): Promise<string> {
    const socket = net.connect(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
      socket.write(`*${args.length}\r\n${parts.join('')}`);
      // Ends with the reply to QUIT, however long the one before is.
      socket.write('*1\r\n$4\r\nQUIT\r\n');
      let reply = '';
      for await (const chunk of socket) {
        reply += String(chunk);
        if (noQuit.test(reply)) break;
      }
      return reply.replace(noQuit, '').replace(/\+OK\r\n$/, '');
    } finally {
      socket.destroy();
    }
  }

  /** The lines of a text that a command answers. */
  async lines(...args: readonly string[]): Promise<readonly string[]> {
    const reply = await this.command(...args);
    if (!reply.startsWith('$')) throw new Error(`${args[0]} answered ${reply}`);
    return reply
      .slice(reply.indexOf('\r\n') + 2, -2)
      .split('\n')
      .filter((line) => line !== '');
  }

  readonly #killNow = (): void => {
    this.#child?.kill('SIGKILL');
  };
}
