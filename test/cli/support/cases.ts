import { expect, it } from 'vitest';
import { firstLine, linesOf } from './poll.js';
import type { Scene } from './program.js';

/** What `holdfast run` does on every store. @param keepsRecords whether the store has room for notes */
export function registerCases(scene: Scene, { keepsRecords = true } = {}): void {
  it('a command runs under a lock, whose holder is shown, and can be ended', async () => {
    const file = scene.file('out');
    const holder = scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo $HOLDFAST_FENCE >> ${file}; sleep 60`]);
    const fence = await firstLine(file);
    const shown = await scene.outcome(['inspect', 'x', '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ held: [{ pid: holder.pid, fence }] });
    expect(await scene.outcome(['run', '--wait', '0', 'x', '--', 'true'])).toMatchObject({ status: 75 });
    const ending = ['revoke', 'x', '--reason', 'a test', '--if-fence'];
    expect(await scene.outcome([...ending, '1'])).toMatchObject({ status: 1, stderr: expect.stringContaining(fence) });
    expect(await scene.outcome([...ending, fence])).toMatchObject({ status: 0 });
    expect(await holder.ended).toMatchObject({ status: 76 });
    expect(holder.stderr()).toContain('(revoked)');
    await scene.outcome(['run', 'x', '--', 'sh', '-c', `echo $HOLDFAST_FENCE >> ${file}`]);
    const [before, after] = linesOf(file).map(BigInt);
    expect(after).toBeGreaterThan(before as bigint);
    const { revocations } = JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);
    if (keepsRecords) expect(revocations).toMatchObject([{ reason: 'a test', ended: [{ fence }], nextFenceAbove: fence }]);
    else expect(revocations).toBeNull();
  });

  it('commands that wait for each other run one after the other', async () => {
    const file = scene.file('out');
    const words = ['run', 'x', '--', 'sh', '-c', `echo begin >> ${file}; sleep 0.05; echo end >> ${file}`];
    const running = Array.from({ length: 4 }, () => scene.holdfast(words));
    for (const { ended } of running) expect(await ended).toMatchObject({ status: 0 });
    expect(linesOf(file)).toEqual(Array.from({ length: 4 }, () => ['begin', 'end']).flat());
  });
}

/** On stores that hear of a holder's death from its guard. */
export function registerBurial(scene: Scene): void {
  it('a holder that is killed: the next command starts long before the TTL is over', async () => {
    const file = scene.file('out');
    const holder = scene.holdfast(['run', 'x', '--ttl', '60s', '--', 'sh', '-c', `echo begin >> ${file}; sleep 60`]);
    await firstLine(file);
    holder.child.kill('SIGKILL');
    expect(await scene.outcome(['run', '--wait', '20s', 'x', '--', 'true'])).toMatchObject({ status: 0 });
    const shown = await scene.outcome(['inspect', 'x', '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ held: [], waiting: [] });
  });
}
