import { expect, it } from 'vitest';
import { firstLine, linesOf, runs, until } from '../support/poll.js';
import { Scene } from '../support/program.js';

const scene = new Scene();

it('kill -9 of a holder: its command is gone, and the next one starts within a second', async () => {
  // A TTL far beyond the test: nothing here waits for it to run out.
  const args = (file: string) => ['run', '--ttl', '5m', 'x', '--', 'sh', '-c', `echo $$ >> ${scene.file(file)}; sleep 60; :`];
  const holder = scene.holdfast(args('first'));
  const command = Number(await firstLine(scene.file('first')));
  scene.holdfast(args('second'));
  await until('the second waits', 10_000, async () => {
    const { stdout } = await scene.outcome(['inspect', 'x', '--json']);
    return JSON.parse(stdout).waiting.length === 1;
  });
  expect(linesOf(scene.file('second'))).toEqual([]);

  const killedAt = performance.now();
  holder.child.kill('SIGKILL');
  const next = Number(await firstLine(scene.file('second'), 5_000));
  expect(performance.now() - killedAt).toBeLessThan(1_000);
  expect(runs(command)).toBe(false);
  expect(runs(next)).toBe(true);
});
