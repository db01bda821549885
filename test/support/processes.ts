import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, afterEach } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Other processes that use the same store. They run what this test was written against, compiled on the spot. */
export class Processes {
  readonly #parts: readonly string[];
  readonly #worker: URL;
  #build = '';
  #children: ChildProcess[] = [];

  /**
   * @param parts folders of `src/` that they need
   * @param worker what they run; it finds those folders in `./src/`
   */
  constructor(parts: readonly string[], worker: URL) {
    this.#parts = parts;
    this.#worker = worker;
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
    for (const part of this.#parts) compile(path.join(root, 'src', part), path.join(this.#build, 'src', part));
    writeFileSync(path.join(this.#build, 'package.json'), '{"type":"module"}');
    writeFileSync(path.join(this.#build, 'worker.mjs'), readFileSync(this.#worker));
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

function compile(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isDirectory()) compile(path.join(from, entry.name), path.join(to, entry.name));
    if (!entry.name.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(readFileSync(path.join(from, entry.name), 'utf8'), { compilerOptions });
    writeFileSync(path.join(to, entry.name.replace(/\.ts$/, '.js')), outputText);
  }
}
