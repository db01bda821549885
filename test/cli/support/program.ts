import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach } from 'vitest';
import { compiled, root } from '../../support/compiled.js';
import { until } from './poll.js';
import { undertakers } from './undertakers.js';

export { root };

/** The compiled program; or another build, to try one. */
export const program = process.env['HOLDFAST_TEST_PROGRAM'] ?? path.join(compiled(), 'cli', 'main.js');

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A started process with what it has written so far. */
export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stdoutBytes: () => Buffer;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: Buffer | string;
  readonly cwd?: string;
}

/** A temporary folder with a store of its own, and an end by process id for whatever a test leaves behind. */
export class Scene {
  folder = '';
  readonly #backend: (() => string) | undefined;
  #started: Running[] = [];

  /** @param backend URL of the store; by default a file in the folder */
  constructor(backend?: () => string) {
    this.#backend = backend;
    beforeEach(() => {
      this.folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-cli-'));
    });
    afterEach(async () => {
      for (const { child } of this.#started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await Promise.all(this.#started.map((each) => each.ended));
      this.#started = [];
      await until('no guard and no undertaker is left', 5_000, () => undertakers(this.backend).length === 0);
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    });
  }

  file(name: string): string {
    return path.join(this.folder, name);
  }

  get backend(): string {
    return this.#backend?.() ?? `sqlite:${this.file('locks.db')}`;
  }

  /** Starts the program on this scene's store. */
  holdfast(args: readonly string[], options: StartOptions = {}): Running {
    return this.start(process.execPath, [program, ...args], options);
  }

  /** Runs it to its end. */
  async outcome(args: readonly string[], options: StartOptions = {}) {
    const running = this.holdfast(args, options);
    const ended = await running.ended;
    return { ...ended, stdout: running.stdout(), stderr: running.stderr(), stdoutBytes: running.stdoutBytes() };
  }

  start(file: string, args: readonly string[], options: StartOptions = {}): Running {
    const {
      HOLDFAST_NAME: _name,
      HOLDFAST_FENCE: _fence,
      HOLDFAST_RUN_ID: _run,
      HOLDFAST_OUTER_RUN_IDS: _outer,
      HOLDFAST_OUTER_LOCKS: _outerLocks,
      ...inherited
    } = process.env;
    const env = { ...inherited, HOLDFAST_BACKEND: this.backend, ...options.env };
    const child = spawn(file, args, { env, cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input);
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => resolve({ status, signal }));
    });
    const running: Running = {
      pid: child.pid ?? 0,
      child,
      stdout: () => Buffer.concat(out).toString(),
      stdoutBytes: () => Buffer.concat(out),
      stderr: () => Buffer.concat(err).toString(),
      ended,
    };
    this.#started.push(running);
    return running;
  }
}
