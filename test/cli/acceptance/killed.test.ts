import { appendFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { firstLine, linesOf, runs, stopwatch, until } from '../support/poll.js';
import { program, type Scene } from '../support/program.js';
import { onEveryStore, onRedis } from '../support/stores.js';
import { hasScript, onTerminal, quote } from '../support/terminal.js';
import { undertakers } from '../support/undertakers.js';
import { standStill } from '../../support/stand-still.js';

/** Beyond every test here: nothing waits for it to run out. */
const ttl = '30s';
/** On a busy machine, and without any wait for the TTL. */
const soonMs = 5_000;

/** Writes its fence as long as it lives, and so does its child; neither ends of SIGTERM. */
function stubborn(scene: Scene): readonly string[] {
  const work = `trap "" TERM HUP; while echo $HOLDFAST_FENCE >> ${scene.file('log')}; do sleep 0.01; done`;
  return ['run', '--ttl', ttl, 'x', '--', 'sh', '-c', `echo $$ >> ${scene.file('pids')}; (${work}) & ${work}`];
}

function fencesIn(scene: Scene): readonly string[] {
  return [...new Set(linesOf(scene.file('log')))];
}

async function waiting(scene: Scene, count: number): Promise<void> {
  await until(`${count} wait`, 10_000, async () => {
    const { stdout } = await scene.outcome(['inspect', 'x', '--json']);
    return JSON.parse(stdout).waiting.length === count;
  });
}

/** Nobody writes after the next one has begun, and fences rise. */
async function expectOneAfterTheOther(scene: Scene): Promise<void> {
  // Whoever lives writes once more.
  await sleep(200);
  const fences = linesOf(scene.file('log')).map(BigInt);
  expect(fences).toEqual([...fences].sort((a, b) => Number(a - b)));
}

onEveryStore((scene) => {
  it('kill -9 of a holder, and of the next: its command is gone, and another one starts within a second', async () => {
    const holders = [scene.holdfast(stubborn(scene))];
    await until('the first works', 10_000, () => fencesIn(scene).length === 1);
    for (let i = 1; i < 4; i++) holders.push(scene.holdfast(stubborn(scene)));
    await waiting(scene, 3);

    const took: number[] = [];
    for (let dead = 1; dead < 4; dead++) {
      const { held } = JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);
      const command = Number(linesOf(scene.file('pids'))[dead - 1]);
      const tookMs = stopwatch();
      process.kill(held[0].pid, 'SIGKILL');
      await until('the next works', soonMs, () => fencesIn(scene).length > dead);
      took.push(tookMs());
      expect(runs(command)).toBe(false);
    }
    // A busy machine is slow now and then, and not every time.
    expect(Math.min(...took)).toBeLessThan(1_000);
    await expectOneAfterTheOther(scene);
    await until('one guard is left: that of the last', 10_000, () => undertakers(scene.backend).length === 1);
  });

  it('kill -9 of its whole process group', async () => {
    const holder = scene.start('setsid', [process.execPath, program, ...stubborn(scene)]);
    const command = Number(await firstLine(scene.file('pids')));
    scene.holdfast(stubborn(scene));
    await waiting(scene, 1);

    process.kill(-holder.pid, 'SIGKILL');
    await until('the next works', soonMs, () => fencesIn(scene).length === 2);
    expect(runs(command)).toBe(false);
    await expectOneAfterTheOther(scene);
  });

  it('a holder that is stopped, and then killed: nothing is given back before', async () => {
    const holder = scene.holdfast(stubborn(scene));
    await firstLine(scene.file('log'));
    scene.holdfast(stubborn(scene));
    await waiting(scene, 1);
    standStill(holder.child.pid);
    await sleep(1_500);
    expect(fencesIn(scene).length).toBe(1);

    holder.child.kill('SIGKILL');
    await until('the next works', soonMs, () => fencesIn(scene).length === 2);
    await expectOneAfterTheOther(scene);
  });

  it('in an environment that names files by relative paths', async () => {
    writeFileSync(scene.file('before.cjs'), '');
    const holder = scene.start('sh', [
      '-c',
      `cd "${scene.file('.')}" && NODE_OPTIONS="--require ./before.cjs" exec "$@"`,
      'sh',
      process.execPath,
      program,
      ...stubborn(scene),
    ]);
    await firstLine(scene.file('log'));
    scene.holdfast(stubborn(scene));
    await waiting(scene, 1);
    holder.child.kill('SIGKILL');
    await until('the next works', soonMs, () => fencesIn(scene).length === 2);
    await expectOneAfterTheOther(scene);
  });

  it('a killed holder takes nothing from those that share with it', async () => {
    const share = (file: string) => ['run', '--ttl', ttl, '--shared', 'x', '--', 'sh', '-c', `echo >> ${file}; exec sleep 60`];
    const [one, other] = [scene.holdfast(share(scene.file('one'))), scene.holdfast(share(scene.file('other')))];
    await Promise.all([firstLine(scene.file('one')), firstLine(scene.file('other'))]);
    scene.holdfast(stubborn(scene));
    await waiting(scene, 1);
    one.child.kill('SIGKILL');
    await until('one holds', 10_000, async () => {
      const { held } = JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);
      return held.length === 1 && held[0].pid === other.pid;
    });
    expect(fencesIn(scene)).toEqual([]);
    other.child.kill('SIGKILL');
    await until('the writer works', soonMs, () => fencesIn(scene).length === 1);
  });

  it('after an ordinary end nobody is left, and nobody keeps the output open', async () => {
    for (const command of ['true', 'false', 'sleep 0.3', 'kill -9 $$', 'sleep 0.1 & exit 3']) {
      const pipeline = `"${process.execPath}" "${program}" run --ttl ${ttl} x -- sh -c '${command}' 2>&1 | cat`;
      const { ended, stdout } = scene.start('sh', ['-c', pipeline]);
      expect([(await ended).status, stdout()]).toEqual([0, '']);
      // Killed, and perhaps not collected yet.
      await until('nobody is left', 1_000, () => undertakers(scene.backend).length === 0);
      const next = await scene.outcome(['run', '--wait', '0', 'x', '--', 'sh', '-c', 'echo $HOLDFAST_FENCE']);
      appendFileSync(scene.file('log'), next.stdout);
    }
    expect(fencesIn(scene).length).toBe(5);
    await expectOneAfterTheOther(scene);
  });

  it('a killed holder whose output is read to its end', async () => {
    const script = `"${process.execPath}" "${program}" run --ttl ${ttl} x -- sh -c 'echo $$; sleep 60; :' | cat`;
    const pipeline = scene.start('sh', ['-c', script]);
    await until('it works', 10_000, () => pipeline.stdout().includes('\n'));
    const { held } = JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);
    const tookMs = stopwatch();
    process.kill(held[0].pid, 'SIGKILL');
    await pipeline.ended;
    expect(tookMs()).toBeLessThan(soonMs);
    await until('nobody is left', soonMs, () => undertakers(scene.backend).length === 0);
  });
});

onRedis((scene) => {
  it.skipIf(!hasScript)('on a terminal its command is gone with all that it started, and its neighbours live', async () => {
    const words = stubborn(scene).map(quote).join(' ');
    onTerminal(scene, `sleep 60 & echo $! >> ${scene.file('neighbour')}; $HF ${words}; sleep 60`);
    await until('the first works', 10_000, () => fencesIn(scene).length === 1);
    scene.holdfast(stubborn(scene));
    await waiting(scene, 1);
    const { held } = JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);

    process.kill(held[0].pid, 'SIGKILL');
    await until('the next works', soonMs, () => fencesIn(scene).length === 2);
    expect(runs(Number(linesOf(scene.file('pids'))[0]))).toBe(false);
    expect(runs(Number(linesOf(scene.file('neighbour'))[0]))).toBe(true);
    await expectOneAfterTheOther(scene);
  });
});
