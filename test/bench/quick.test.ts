import { execFile } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root } from '../docs/files.js';

/** Whether the benches run and what they print. How fast anything is, no test asserts: that depends on the machine. */

const run = promisify(execFile);
const main = path.join(root, 'bench/main.mjs');
const minutesMs = 240_000;

async function bench(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [main, 'sqlite', '--quick', ...args], { cwd: root, timeout: minutesMs });
  return stdout;
}

interface Result {
  readonly quick: boolean;
  readonly measured: readonly { readonly work: { readonly key: string }; readonly rows: readonly Row[] }[];
  readonly targets: readonly { readonly says: string; readonly measured: number | null; readonly met: boolean }[];
}

interface Row {
  readonly contender: string;
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
      const [result] = JSON.parse(await bench('--json', '--only', 'solo,xproc,held')) as [Result];
      expect(result.quick).toBe(true);
      expect(result.measured.map(({ work }) => work.key)).toEqual(['solo', 'xproc', 'held']);
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

function shapeOf(work: string): object {
  const figure = expect.any(Number);
  if (work === 'held') return { cpuShare: figure, heapPerLease: figure, renewCallsPerSecond: figure };
  return { pairsPerSecond: figure, waitMs: { p50: figure, p99: figure, max: figure } };
}
