import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { expect, it } from 'vitest';

const main = new URL('../../dist/testkit/sim/main.js', import.meta.url).pathname;

it('1,000 seeds of several nodes hold, each a different sequence of faults', () => {
  const args = [main, '--quorum', '--seeds', '1000', '--workers', '2'];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 280_000 });
  // Its output names each failing seed with the command that replays it, and the smallest world that still fails.
  expect(run.status, run.stdout + run.stderr).toBe(0);
  expect(run.stdout).toMatch(/1,?000/);
});
