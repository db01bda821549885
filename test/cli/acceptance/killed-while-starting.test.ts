import { existsSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { firstLine, linesOf, runs, until } from '../support/poll.js';
import { program, type Running, type Scene } from '../support/program.js';
import { onEveryStore, onRedis } from '../support/stores.js';

/** Killed when its command runs, and before it could tell the guard which process that is. */

/** Beyond every test here: nothing waits for it to run out. */
const ttl = '60s';

/** Stands for ever when it has started something other than its guard. */
const standsAfterSpawning = `
const children = require('node:child_process');
const { spawn } = children;
children.spawn = (file, ...rest) => {
  const child = spawn(file, ...rest);
  if (file !== '/bin/sh') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  return child;
};
require('node:module').syncBuiltinESMExports();
`;

function run(name: string, command: string): readonly string[] {
  return ['run', '--ttl', ttl, name, '--', 'sh', '-c', command];
}

/** A holder that stands when its command runs. What it starts is not told to stand as well. */
function standing(scene: Scene, name: string, command: string): Running {
  const before = scene.file('before.cjs');
  writeFileSync(before, standsAfterSpawning);
  return scene.holdfast(run(name, `unset NODE_OPTIONS; ${command}`), { env: { NODE_OPTIONS: `--require ${before}` } });
}

/** Writes until it is killed, and so does its child. */
function writes(scene: Scene, file: string): string {
  const work = `trap "" TERM HUP; while echo $HOLDFAST_FENCE >> ${scene.file(file)}; do sleep 0.01; done`;
  return `(${work}) & ${work}`;
}

async function writesNoMore(scene: Scene, file: string): Promise<void> {
  await until(`nobody writes ${file}`, 10_000, async () => {
    const before = linesOf(scene.file(file)).length;
    await sleep(200);
    return linesOf(scene.file(file)).length === before;
  });
}

async function waits(scene: Scene, name: string): Promise<void> {
  await until('the next waits', 10_000, async () => {
    const { stdout } = await scene.outcome(['inspect', name, '--json']);
    return JSON.parse(stdout).waiting.length === 1;
  });
}

/** Else it takes the TTL. */
const canLook = existsSync('/proc/1/stat');

onEveryStore((scene) => {
  it.skipIf(!canLook)('its command is gone with all that it started, and another one starts', async () => {
    const holder = standing(scene, 'x', writes(scene, 'old'));
    await until('the command and its child work', 10_000, () => linesOf(scene.file('old')).length > 5);
    scene.holdfast(run('x', `echo >> ${scene.file('new')}; exec sleep 60`));
    await waits(scene, 'x');
    holder.child.kill('SIGKILL');
    await firstLine(scene.file('new'), 30_000);
    await writesNoMore(scene, 'old');
  });
});

onRedis((scene) => {
  it.skipIf(!canLook)('the next one begins after the last line of the old', async () => {
    const holder = standing(scene, 'x', writes(scene, 'both'));
    await until('the command and its child work', 10_000, () => linesOf(scene.file('both')).length > 5);
    scene.holdfast(run('x', `echo new >> ${scene.file('both')}; exec sleep 60`));
    await waits(scene, 'x');
    holder.child.kill('SIGKILL');
    await until('the next works', 30_000, () => linesOf(scene.file('both')).includes('new'));
    await sleep(300);
    expect(linesOf(scene.file('both')).at(-1)).toBe('new');
  });

  it.skipIf(!canLook)('what has cleared its environment is waited for', async () => {
    const unmarked = `env -i sh -c 'while sleep 0.1; do :; done' & echo $! >> ${scene.file('pid')}; sleep 60; :`;
    const holder = standing(scene, 'x', unmarked);
    const left = Number(await firstLine(scene.file('pid')));
    scene.holdfast(run('x', `echo >> ${scene.file('new')}; exec sleep 60`));
    await waits(scene, 'x');
    holder.child.kill('SIGKILL');
    await sleep(2_000);
    expect([runs(left), linesOf(scene.file('new'))]).toEqual([true, []]);
    process.kill(left, 'SIGKILL');
    await firstLine(scene.file('new'), 30_000);
  });

  it.skipIf(!canLook)('a run inside its command is ended by its own guard, and given back too', async () => {
    const inner = scene.file('inner.sh');
    writeFileSync(inner, `"${process.execPath}" "${program}" run --ttl ${ttl} inner -- sh -c '${writes(scene, 'old')}'; :`);
    const holder = standing(scene, 'outer', `sh ${inner}; :`);
    await until('the inner command works', 10_000, () => linesOf(scene.file('old')).length > 5);
    holder.child.kill('SIGKILL');
    for (const name of ['inner', 'outer']) {
      expect(await scene.outcome(['run', '--wait', '30s', name, '--', 'true'])).toMatchObject({ status: 0 });
    }
    await writesNoMore(scene, 'old');
  });
});
