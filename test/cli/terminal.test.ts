import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { until } from './support/poll.js';
import { Scene } from './support/program.js';
import { hasScript, onTerminal, quote } from './support/terminal.js';

const scene = new Scene();

function type(keys: string): void {
  spawnSync('bash', ['-c', `printf ${quote(keys)} > ${scene.file('keys')}`]);
}

describe.skipIf(!hasScript)('on a terminal', () => {
  it('the command can read what is typed', async () => {
    const running = onTerminal(scene, `$HF run x -- sh -c 'echo ready; read line; echo "got $line"; exit 5'`);
    await until('ready', 10_000, () => running.stdout().includes('ready'));
    type('hello\\n');
    expect((await running.ended).status).toBe(5);
    expect(running.stdout()).toContain('got hello');
  });

  it('Ctrl-C reaches the command once', async () => {
    const counting = `trap "n=\\$((n+1)); echo int \\$n" INT; n=0; echo ready; while [ $n = 0 ]; do sleep 0.1; done; for i in 1 2 3 4 5; do sleep 0.1; done; exit 4`;
    const running = onTerminal(scene, `exec $HF run x -- bash -c '${counting}'`);
    await until('ready', 10_000, () => running.stdout().includes('ready'));
    type('\\003');
    expect((await running.ended).status).toBe(4);
    expect(running.stdout().match(/int [0-9]/g)).toEqual(['int 1']);
  });

  it('waiting says for whom, and tables have colour unless NO_COLOR is set', async () => {
    const holder = scene.holdfast(['run', 'x', '--', 'sleep', '60']);
    const inspect = async () => JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout).held.length === 1;
    await until('held', 10_000, inspect);
    const waiting = onTerminal(scene, `$HF run --wait 4s x -- true; $HF query; NO_COLOR=1 $HF query`);
    await waiting.ended;
    expect(waiting.stdout()).toMatch(new RegExp(`waiting for "x": process ${holder.pid} on \\S+ has held it for`));
    expect(waiting.stdout().match(/\x1b\[1mNAME/g)?.length).toBe(1);
  });
});
