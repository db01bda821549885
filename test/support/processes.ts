import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { afterAll, afterEach } from 'vitest';
import { compiled, root } from './compiled.js';

/** Other processes that use the same store. They run what this test was written against, compiled. */
export class Processes {
  readonly #parts: readonly string[];
  readonly #worker: URL;
  readonly #beside: readonly URL[];
  #build = '';
  #children: ChildProcess[] = [];

  /**
   * @param parts folders of `src/` that they need
   * @param worker what they run; it finds those folders in `./src/`
   * @param beside files that it imports from its own folder
   */
  constructor(parts: readonly string[], worker: URL, beside: readonly URL[] = []) {
    this.#parts = parts;
    this.#worker = worker;
    this.#beside = beside;
    afterEach(() => {
      for (const child of this.#children) child.kill('SIGKILL');
      this.#children = [];
    });
    afterAll(() => {
      if (this.#build !== '') rmSync(this.#build, { recursive: true, force: true });
    });
  }

  /** `command`: what to run `node` with, such as `unshare`. */
  start(
    words: readonly string[],
    command: readonly string[] = [],
    { env, ...options }: { uid?: number; env?: Readonly<Record<string, string>> } = {},
  ): Worker {
    if (this.#build === '') this.#make();
    const script = path.join(this.#build, 'worker.mjs');
    const [program = '', ...args] = [...command, process.execPath, script, ...words];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env }, ...options });
    this.#children.push(child);
    return new Worker(child);
  }

  #make(): void {
    this.#build = mkdtempSync(path.join(tmpdir(), 'holdfast-build-'));
    const from = compiled();
    for (const part of this.#parts) cpSync(path.join(from, part), path.join(this.#build, 'src', part), { recursive: true });
    writeFileSync(path.join(this.#build, 'package.json'), '{"type":"module"}');
    writeFileSync(path.join(this.#build, 'worker.mjs'), readFileSync(this.#worker));
    for (const url of this.#beside) writeFileSync(path.join(this.#build, path.basename(url.pathname)), readFileSync(url));
    symlinkSync(path.join(root, 'node_modules'), path.join(this.#build, 'node_modules'));
    // For children that run as another user.
    chmodSync(this.#build, 0o755);
  }
}

/** One process, and the lines of JSON that it answers. */
export class Worker {
  readonly child: ChildProcess;
  readonly #lines: Record<string, unknown>[] = [];
  #waiting: ((line: Record<string, unknown>) => void) | undefined;

  constructor(child: ChildProcess) {
    this.child = child;
    if (child.stdout === null) throw new TypeError('stdout is a pipe');
    createInterface(child.stdout).on('line', (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      if (this.#waiting === undefined) this.#lines.push(line);
      else this.#waiting(line);
    });
  }

  next(): Promise<Record<string, unknown>> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.#waiting = (arrived) => {
        this.#waiting = undefined;
        resolve(arrived);
      };
    });
  }

  say(word: string): void {
    this.child.stdin?.write(`${word}\n`);
  }

  get exited(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => this.child.once('exit', () => resolve()));
  }
}

/** Whether a tool of this machine can be used; the reason for a skip if not. */
export function works(...command: string[]): boolean {
  const [program = '', ...args] = command;
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}
