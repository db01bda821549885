import { expect, it } from 'vitest';
import { firstLine, linesOf, runs, stopwatch, until } from '../support/poll.js';
import type { Scene } from '../support/program.js';
import { onEveryStore, onRedlock } from '../support/stores.js';
import { standStill } from '../../support/stand-still.js';

/** Of the one that is stopped: until then a machine that stands still for a second must not end it. */
const ttlMs = 4_000;

async function inspect(scene: Scene) {
  return JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);
}

function cases(scene: Scene, somebodyWaits: () => Promise<boolean>): void {
  it('a holder that is stopped past its TTL is followed by the next, and harms nobody when it goes on', async () => {
    const args = (file: string, ttl: string) => [
      'run',
      '--ttl',
      ttl,
      'x',
      '--',
      'sh',
      '-c',
      `echo $$ >> ${scene.file(file)}; sleep 60; :`,
    ];
    const stale = scene.holdfast(args('first', `${ttlMs}ms`));
    const staleCommand = Number(await firstLine(scene.file('first')));
    const second = scene.holdfast(args('second', '30s'));
    await until('the second waits', 10_000, somebodyWaits);

    standStill(stale.child.pid);
    const stoppedMs = stopwatch();
    expect(linesOf(scene.file('second'))).toEqual([]);
    const command = Number(await firstLine(scene.file('second'), 10_000));
    // The last renewal may have been a third of the TTL before the stop: what counts is the end of the TTL, and the start of a command.
    expect(stoppedMs()).toBeLessThan(ttlMs + 2_000);

    stale.child.kill('SIGCONT');
    await until('it ends', 5_000, () => stale.child.exitCode !== null);
    expect((await stale.ended).status).toBe(76);
    expect(runs(staleCommand)).toBe(false);
    expect(stale.stderr()).toContain('the lease was lost (expired)');

    expect(runs(command)).toBe(true);
    const { held, waiting } = await inspect(scene);
    expect([held.map((each: { pid: number }) => each.pid), waiting]).toEqual([[second.pid], []]);
  });
}

onEveryStore((scene) => cases(scene, async () => (await inspect(scene)).waiting.length === 1));
onRedlock((scene, nodes) => cases(scene, async () => (await nodes().command('EXISTS', '{holdfast:x}:wake')).includes(':1\r\n')));
