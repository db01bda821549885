import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { BatchResult } from '../../src/testkit/sim/batch.js';
import type { Mutant } from './mutants.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Verdict {
  readonly mutant: string;
  /** Undefined: it survived. */
  readonly caught: { readonly seed: number; readonly rules: readonly string[] } | undefined;
}

const mutantMsMax = 500_000;

function runNode(args: readonly string[], timeoutMs: number): Promise<{ readonly code: number | null; readonly out: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { timeout: timeoutMs, maxBuffer: 1 << 26 }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, out: stdout === '' ? stderr : stdout });
    });
  });
}

/** Compiles the sources, as they are now, into a folder of its own. */
export async function compile(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-gate-'));
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
  // Code outside of what is mutated may need its dependencies.
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  const tsc = path.join(root, 'node_modules/@typescript/native/bin/tsc');
  const options = ['--outDir', path.join(folder, 'dist'), '--declaration', 'false'];
  const result = await runNode([tsc, '-p', path.join(root, 'tsconfig.json'), ...options], 120_000);
  if (result.code !== 0) throw new Error(`the sources do not compile:\n${result.out}`);
  return folder;
}

/** @throws if an edit does not fit the code any more: the mutant must be written anew */
export async function applyMutant(mutant: Mutant, dist: string): Promise<void> {
  for (const { file, find, replace } of mutant.edits) {
    const target = path.join(dist, file);
    const parts = (await readFile(target, 'utf8')).split(find);
    if (parts.length !== 2) {
      throw new Error(`mutant "${mutant.name}" no longer applies: its text occurs ${parts.length - 1} times in ${file}\n${find}`);
    }
    await writeFile(target, parts.join(replace));
  }
}

/** Runs the simulator of a mutated copy. @returns what it printed */
export async function runMutant(mutant: Mutant, compiled: string, ...args: readonly string[]): Promise<string> {
  const folder = await mkdtemp(path.join(compiled, 'mutant-'));
  try {
    await cp(path.join(compiled, 'dist'), path.join(folder, 'dist'), { recursive: true });
    await applyMutant(mutant, path.join(folder, 'dist'));
    const { code, out } = await runNode([path.join(folder, 'dist/testkit/sim/main.js'), ...args], mutantMsMax);
    // Else half an answer would be taken for a whole one.
    if (code === null)
      throw new Error(
        `mutant "${mutant.name}" was stopped after ${mutantMsMax / 1_000} s: the machine is busy, or it never ends`,
      );
    return out;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Plays seeds against a mutated copy until one of them breaks a promise. `worlds`: which, if not those of one store. */
export async function hunt(mutant: Mutant, compiled: string, seeds: number, ...worlds: readonly string[]): Promise<Verdict> {
  const args = ['--seeds', String(seeds), '--workers', '1', '--stop-at-first', '--json', ...worlds];
  const result = JSON.parse(await runMutant(mutant, compiled, ...args)) as BatchResult;
  const first = result.failures[0];
  if (first === undefined) return { mutant: mutant.name, caught: undefined };
  return { mutant: mutant.name, caught: { seed: first.seed, rules: [...new Set(first.violations.map(({ rule }) => rule))] } };
}
