import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Other processes that use the same file. They run what this test was written against, compiled on the spot. */
export class Processes {
  #build = '';
  #children: ChildProcess[] = [];

  constructor() {
    beforeAll(() => {
      this.#build = mkdtempSync(path.join(tmpdir(), 'holdfast-build-'));
      compile(this.#build);
    });
    afterEach(() => {
      for (const child of this.#children) child.kill('SIGKILL');
      this.#children = [];
    });
    afterAll(() => rmSync(this.#build, { recursive: true, force: true }));
  }

  /** `command`: what to run `node` with, such as `unshare`. */
  start(words: readonly string[], command: readonly string[] = [], options: { uid?: number } = {}): Worker {
    const script = path.join(this.#build, 'worker.mjs');
    const [program = '', ...args] = [...command, process.execPath, script, ...words];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options });
    this.#children.push(child);
    return new Worker(child);
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

function compile(folder: string): void {
  for (const part of ['core', 'backends/sqlite']) {
    const from = path.join(root, 'src', part);
    const to = path.join(folder, 'src', part);
    mkdirSync(to, { recursive: true });
    for (const file of readdirSync(from).filter((name) => name.endsWith('.ts'))) {
      const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
      const { outputText } = ts.transpileModule(readFileSync(path.join(from, file), 'utf8'), { compilerOptions });
      writeFileSync(path.join(to, file.replace(/\.ts$/, '.js')), outputText);
    }
  }
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(path.join(folder, 'worker.mjs'), readFileSync(new URL('worker.mjs', import.meta.url)));
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  // For children that run as another user.
  chmodSync(folder, 0o755);
}
