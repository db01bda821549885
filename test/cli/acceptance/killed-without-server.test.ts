import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { firstLine, linesOf, rest, runs, stopwatch, until } from '../support/poll.js';
import type { Scene } from '../support/program.js';
import { onRedis } from '../support/stores.js';
import { undertakers } from '../support/undertakers.js';
import { standStill } from '../../support/stand-still.js';

function run(scene: Scene, file: string, command: string, ttl = '30s'): readonly string[] {
  return ['run', '--ttl', ttl, 'x', '--', 'sh', '-c', `echo $$ >> ${scene.file(file)}; ${command}`];
}

async function secondWaits(scene: Scene): Promise<void> {
  await until('the second waits', 10_000, async () => {
    const { stdout } = await scene.outcome(['inspect', 'x', '--json']);
    return JSON.parse(stdout).waiting.length === 1;
  });
}

/** Arguments can be read by everybody, environments by all processes of the user. */
function expectNotShown(scene: Scene, secret: string): void {
  const [undertaker, ...others] = undertakers(scene.backend);
  expect([undertaker === undefined, others]).toEqual([false, []]);
  for (const file of ['cmdline', 'environ']) expect(readFileSync(`/proc/${undertaker}/${file}`, 'utf8')).not.toContain(secret);
}

onRedis((scene, server) => {
  /** Whatever a case has done to it. */
  afterEach(async () => {
    if (runs(server().pid)) process.kill(server().pid, 'SIGCONT');
    else await server().boot();
  });

  it('killed while the server does not answer: given back when it does, and no secret is shown until then', async () => {
    const holder = scene.holdfast(run(scene, 'first', 'sleep 60; :'));
    const command = Number(await firstLine(scene.file('first')));
    scene.holdfast(run(scene, 'second', 'exec sleep 60'));
    await secondWaits(scene);
    const owner = /"owner":"([^"]+)"/.exec(await server().command('GET', 'holdfast:x'))?.[1] ?? '';
    expect(owner).toMatch(/^[\w-]{22}$/);

    expectNotShown(scene, owner);

    standStill(server().pid);
    holder.child.kill('SIGKILL');
    await until('the command is gone', 10_000, () => !runs(command));
    for (let i = 0; i < 5; i++) {
      await sleep(500);
      expectNotShown(scene, owner);
    }
    expect(linesOf(scene.file('second'))).toEqual([]);
    process.kill(server().pid, 'SIGCONT');
    await firstLine(scene.file('second'), 10_000);
  });

  it('killed between the end of its command and the answer of the server: what the command left behind lives', async () => {
    const work = `sleep 60 & echo $! >> ${scene.file('left')}; while [ ! -e ${scene.file('go')} ]; do sleep 0.02; done`;
    const holder = scene.holdfast(run(scene, 'first', work));
    const command = Number(await firstLine(scene.file('first')));
    scene.holdfast(run(scene, 'second', 'exec sleep 60'));
    await secondWaits(scene);
    standStill(server().pid);
    writeFileSync(scene.file('go'), '');
    await until('the command has ended', 5_000, () => !runs(command));
    // Its holder has seen that, and has told the guard.
    await rest(1_000);
    holder.child.kill('SIGKILL');
    await sleep(500);
    process.kill(server().pid, 'SIGCONT');
    await firstLine(scene.file('second'), 5_000);
    const left = Number(await firstLine(scene.file('left')));
    expect(runs(left)).toBe(true);
    process.kill(left, 'SIGKILL');
  });

  it('ended as it should while the server does not answer: given back when it does, by whoever stays behind', async () => {
    const holder = scene.holdfast(run(scene, 'first', `while [ ! -e ${scene.file('go')} ]; do sleep 0.02; done`));
    await firstLine(scene.file('first'));
    scene.holdfast(run(scene, 'second', 'exec sleep 60'));
    await secondWaits(scene);
    standStill(server().pid);
    writeFileSync(scene.file('go'), '');
    expect((await holder.ended).status).toBe(0);
    expect(holder.stderr()).toContain('could not give "x" back');
    process.kill(server().pid, 'SIGCONT');
    await firstLine(scene.file('second'), 5_000);
    await until('nobody is left but the guard of the second', 5_000, () => undertakers(scene.backend).length === 1);
  });

  it('killed, and the server does not come back: nobody tries for longer than the TTL', async () => {
    const ttlMs = 3_000;
    const holder = scene.holdfast(run(scene, 'first', 'sleep 60; :', `${ttlMs}ms`));
    await firstLine(scene.file('first'));
    await server().kill();
    const tookMs = stopwatch();
    holder.child.kill('SIGKILL');
    await sleep(ttlMs / 3);
    expect(undertakers(scene.backend).length).toBe(1);
    await until('nobody tries', 10_000, () => undertakers(scene.backend).length === 0);
    // And what its guard takes to become the one who tries.
    expect(tookMs()).toBeLessThan(ttlMs + 2_000);
  });
});
