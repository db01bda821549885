import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fence, fencesOf, markdownFiles, read, root } from './files.js';

/**
 * What the documentation shows is tried out. Every `ts` and `js` block is type-checked and run as a module of a project that
 * depends on this package; every `sh` block is run at the root of the repository. A block that cannot be run says so, and why,
 * to its reader too: its first line is `// not run: …` or `# not run: …`. It is type-checked all the same.
 */
const notRun = /^(?:\/\/|#) not run: \S/;
const languages = new Set(['ts', 'js', 'sh', 'json', 'sql', 'text']);

const fences = markdownFiles().flatMap(fencesOf);
const code = fences.filter((fence) => fence.language === 'ts' || fence.language === 'js');
const shell = fences.filter((fence) => fence.language === 'sh' && !notRun.test(fence.code));

/** The folder in which snippets live: a project of its own, with this package installed. */
const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-docs-'));
const compilerOptions = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  allowJs: true,
  checkJs: true,
  skipLibCheck: true,
  rootDir: '.',
  outDir: 'out',
};

function titleOf(fence: Fence): string {
  return `${fence.file}:${fence.line}`;
}

function fileOf(fence: Fence): string {
  return `${fence.file.replace(/[^a-z0-9]/gi, '-')}-${fence.line}`;
}

function outputOf(run: SpawnSyncReturns<string>): string {
  return `${run.error?.message ?? ''}${run.signal ?? ''}${run.stdout}${run.stderr}`;
}

/** No snippet may touch what the person who runs the tests holds. */
function environment(): NodeJS.ProcessEnv {
  const { HOLDFAST_BACKEND: _, ...env } = process.env;
  return { ...env, HOME: folder, XDG_STATE_HOME: folder, XDG_RUNTIME_DIR: folder, XDG_DATA_HOME: folder, TMPDIR: folder };
}

beforeAll(() => {
  for (const scope of ['@types', '@grpc', '@aws-sdk', '@opentelemetry'])
    mkdirSync(path.join(folder, 'node_modules', scope), { recursive: true });
  symlinkSync(root, path.join(folder, 'node_modules/holdfast'), 'dir');
  for (const name of [
    '@types/node',
    'undici-types',
    'ioredis',
    'redis',
    'pg',
    '@types/pg',
    'pg-types',
    'pg-protocol',
    'postgres',
    '@grpc/grpc-js',
    '@opentelemetry/api',
    '@aws-sdk/client-dynamodb',
    '@aws-sdk/client-s3',
    'mysql2',
    'pino',
    'prom-client',
    'node-zookeeper-client',
    '@types/node-zookeeper-client',
    'express',
    '@types/express',
    'fastify',
    'hono',
  ]) {
    symlinkSync(path.join(root, 'node_modules', name), path.join(folder, 'node_modules', name), 'dir');
  }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts', '*.js'] }));
  // Without an export the compiler would take a snippet that imports nothing for a script.
  for (const fence of code) writeFileSync(path.join(folder, `${fileOf(fence)}.${fence.language}`), `${fence.code}\nexport {};\n`);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('code in the documentation', () => {
  it('names its language', () => {
    const unknown = fences.filter((fence) => !languages.has(fence.language)).map(titleOf);
    expect(unknown, `start the block with one of: ${[...languages].join(', ')}`).toEqual([]);
  });

  it('type-checks', () => {
    const tsc = path.join(root, 'node_modules/@typescript/native/bin/tsc');
    const run = spawnSync(process.execPath, [tsc, '--project', folder], { encoding: 'utf8', timeout: 120_000 });
    expect(run.status, `the file names say page and line:\n${outputOf(run)}`).toBe(0);
  });

  it.each(code.filter((fence) => !notRun.test(fence.code)).map((fence) => [titleOf(fence), fence] as const))(
    '%s runs',
    (_, fence) => {
      const file = path.join(folder, 'out', `${fileOf(fence)}.js`);
      const run = spawnSync(process.execPath, [file], { cwd: folder, env: environment(), encoding: 'utf8', timeout: 60_000 });
      expect(run.status, outputOf(run)).toBe(0);
    },
  );
});

describe('commands in the documentation', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

  it.each(shell.map((fence) => [titleOf(fence), fence] as const))('%s runs', (_, fence) => {
    const lines = fence.code.split('\n');
    // Running the tests would run this test: of npm's lines, only the script's name is checked.
    for (const line of lines) {
      const script = /^npm (?:run )?(?!ci\b|run\b|install\b)([\w:]+)/.exec(line)?.[1];
      if (script !== undefined) expect(Object.keys(scripts), `"${line}"`).toContain(script);
    }
    const script = lines.filter((line) => !line.startsWith('npm ')).join('\n');
    // Without its start-up files: bash reads them where its input is a socket, as it is here in some shells.
    const run = spawnSync('bash', ['--norc', '--noprofile', '-euc', script], {
      cwd: root,
      env: environment(),
      encoding: 'utf8',
      timeout: 60_000,
      input: '',
    });
    expect(run.status, outputOf(run)).toBe(0);
  });
});
