import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root } from '../docs/files.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { redisIsMissing } from '../support/redis-server.js';

/** Whether the benches run and what they print. How fast anything is, no test asserts: that depends on the machine. */

const run = promisify(execFile);
const main = path.join(root, 'bench/main.mjs');
const minutesMs = 240_000;

async function quick(suite: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [main, suite, '--quick', ...args], { cwd: root, timeout: minutesMs });
  return stdout;
}

const bench = (...args: string[]) => quick('sqlite', ...args);

interface Result {
  readonly quick: boolean;
  readonly measured: readonly { readonly work: { readonly key: string }; readonly rows: readonly Row[] }[];
  readonly targets: readonly { readonly says: string; readonly measured: number | null; readonly met: boolean }[];
}

interface Row {
  readonly contender: string;
  /** Why it has no figures. */
  readonly out?: string;
  readonly pairsPerSecond?: number;
  readonly waitMs?: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly cpuShare?: number;
  readonly heapPerLease?: number;
}

const contenders = ['raw', 'holdfast', 'proper-lockfile', 'flock'];

describe('npm run bench', () => {
  it(
    'measures each kind of work with every contender, side by side',
    async () => {
      const [result] = JSON.parse(await bench('--json', '--only', 'solo,xproc,handover,held')) as [Result];
      expect(result.quick).toBe(true);
      expect(result.measured.map(({ work }) => work.key)).toEqual(['solo', 'xproc', 'handover', 'held']);
      for (const { work, rows } of result.measured) {
        expect(rows.map(({ contender }) => contender)).toEqual(contenders);
        for (const row of rows) expect(row, `${work.key} of ${row.contender}`).toMatchObject(shapeOf(work.key));
      }
      expect(result.targets.map(({ met }) => typeof met)).toEqual(['boolean', 'boolean', 'boolean']);
    },
    minutesMs,
  );

  it(
    'prints the tables of the documentation',
    async () => {
      const text = await bench('--markdown', '--only', 'solo', '--with', 'raw,holdfast');
      expect(text).toMatch(/^\| solo: .*\| +pairs\/s \|/m);
      expect(text).toMatch(/^\| raw SQL \(floor\) +\| +[\d,]+ \| +1\.00 \|/m);
      expect(text).toMatch(/^\| Holdfast +\| +[\d,]+ \|/m);
    },
    minutesMs,
  );

  it('says what it does not know', async () => {
    await expect(run(process.execPath, [main, 'nosuch'])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no suite "nosuch": .*sqlite/),
    });
    await expect(bench('--only', 'nosuch')).rejects.toMatchObject({ code: 2 });
  });
});

const redisContenders = [
  'raw',
  'holdfast-ioredis',
  'holdfast-node-redis',
  'redlock',
  'sesamecare-redlock',
  'redis-semaphore',
  'redlock-universal',
  'verrou',
  'simple-redis-mutex',
  'node-redisson',
];

/** Others may fail, and are shown with the reason: what they do is not ours to assert. */
const mustNotFail = /^(?:raw$|holdfast-)/;

describe.skipIf(redisIsMissing)('npm run bench -- redis', () => {
  it(
    'measures every contender, or says why not',
    async () => {
      const [result] = JSON.parse(await quick('redis', '--json', '--only', 'solo,held')) as [Result];
      expect(result.measured.map(({ work }) => work.key)).toEqual(['solo', 'held']);
      for (const { work, rows } of result.measured) {
        expect(rows.map(({ contender }) => contender)).toEqual(redisContenders);
        for (const row of rows) {
          const shape =
            row.out === undefined || mustNotFail.test(row.contender) ? serverShapeOf(work.key) : { out: expect.any(String) };
          expect(row, `${work.key} of ${row.contender}`).toMatchObject(shape);
        }
      }
      expect(result.targets.map(({ says }) => says.split(':')[0])).toEqual(['solo', 'held', 'held', 'held']);
    },
    minutesMs,
  );

  it(
    'puts its tables and its chart into a page, and leaves the rest of the page alone',
    async () => {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-bench-page-'));
      try {
        const page = path.join(folder, 'page.md');
        copyFileSync(path.join(root, 'docs/benchmarks.md'), page);
        const [head, , tail] = parts(page);
        await quick('redis', '--into', page, '--only', 'xproc', '--with', 'raw,holdfast-ioredis,holdfast-node-redis');
        const [newHead, tables, newTail] = parts(page);
        expect([newHead, newTail]).toEqual([head, tail]);
        expect(tables).toMatch(/^\| Holdfast, node-redis +\| +[\d,]+ \|/m);
        expect(readFileSync(path.join(folder, 'page-redis.svg'), 'utf8')).toMatch(/^<svg .*Holdfast, ioredis.*<\/svg>\n$/s);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    minutesMs,
  );
});

describe.skipIf(redisIsMissing)('npm run bench -- telemetry', () => {
  it(
    'measures who listens beside nobody, in one process',
    async () => {
      const [result] = JSON.parse(await quick('telemetry', '--json')) as [Result];
      const rows = result.measured[0]?.rows ?? [];
      expect(rows.map(({ contender }) => contender)).toEqual([
        ...['off', 'again', 'prometheus', 'opentelemetry', 'log'],
        ...['context', 'traces-sampled', 'traces', 'spans', 'log-turns', 'records'],
      ]);
      const figure = expect.any(Number);
      for (const row of rows)
        expect(row, row.contender).toMatchObject({ pairsPerSecond: figure, ofOff: figure, cpuOfOff: figure });
      expect(result.targets).toHaveLength(6);
    },
    minutesMs,
  );
});

describe.skipIf(postgresIsMissing)('npm run bench -- stores', () => {
  it(
    'measures the contenders of one store, with its server’s part',
    async () => {
      const [result] = JSON.parse(await quick('stores/postgres', '--json', '--only', 'solo,held')) as [Result];
      expect(result.measured.map(({ work }) => work.key)).toEqual(['solo', 'held']);
      for (const { work, rows } of result.measured) {
        expect(rows.map(({ contender }) => contender)).toEqual(['raw', 'holdfast', 'advisory', 'verrou']);
        for (const row of rows) {
          const cannot = work.key === 'held' && row.contender === 'verrou';
          const shape = cannot ? { out: expect.stringContaining('no renewal') } : serverShapeOf(work.key);
          expect(row, `${work.key} of ${row.contender}`).toMatchObject(shape);
        }
      }
      expect(result.targets.map(({ says }) => says.split(':')[0])).toEqual(['solo']);
    },
    minutesMs,
  );

  it(
    'measures them with a way between',
    async () => {
      const [result] = JSON.parse(await quick('stores-network/postgres', '--json', '--only', 'solo')) as [Result];
      const [solo] = result.measured;
      for (const { contender, waitMs } of solo?.rows ?? []) {
        expect(waitMs?.p50, `${contender}: there and back`).toBeGreaterThanOrEqual(2);
      }
      expect(solo?.rows).toHaveLength(4);
    },
    minutesMs,
  );

  it('says which stores there are', async () => {
    await expect(quick('stores/nosuch')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no suite "stores\/nosuch": .*stores\/postgres, stores\/etcd/),
    });
  });
});

/** A page before, within and after the section of the suite. */
function parts(page: string): readonly string[] {
  return readFileSync(page, 'utf8').split(/(?<=<!-- bench redis: begin -->)|(?=<!-- bench redis: end -->)/);
}

function serverShapeOf(work: string): object {
  const figure = expect.any(Number);
  return work === 'held' ? { ...shapeOf(work), serverUsPerLeaseSecond: figure, serverShare: figure } : shapeOf(work);
}

function shapeOf(work: string): object {
  const figure = expect.any(Number);
  if (work === 'held') return { cpuShare: figure, heapPerLease: figure, renewCallsPerSecond: figure };
  return { pairsPerSecond: figure, waitMs: { p50: figure, p99: figure, max: figure } };
}
