import { expect, it } from 'vitest';
import { firstLine, runs } from '../support/poll.js';
import type { Scene } from '../support/program.js';
import { onEveryStore, onRedlock } from '../support/stores.js';

function cases(scene: Scene): void {
  it('revoking a live hold stops its command: exit 76, and the lock is free', async () => {
    const script = `sh -c 'echo $$ >> ${scene.file('pids')}; sleep 60; :'; :`;
    const holder = scene.holdfast(['run', '--ttl', '10s', 'x', '--', 'sh', '-c', script]);
    const command = Number(await firstLine(scene.file('pids')));
    const { held } = JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);

    const revoked = await scene.outcome(['revoke', 'x', '--reason', 'hangs', '--json']);
    expect(revoked.status).toBe(0);
    expect(JSON.parse(revoked.stdout).ended).toMatchObject([{ pid: holder.pid, fence: held[0].fence }]);

    expect((await holder.ended).status).toBe(76);
    expect(holder.stderr()).toBe('holdfast: stopped the command under "x": the lease was lost (revoked)\n');
    expect(runs(command)).toBe(false);

    const next = await scene.outcome(['run', '--wait', '0', 'x', '--', 'sh', '-c', 'echo $HOLDFAST_FENCE']);
    expect(next.status).toBe(0);
    expect(BigInt(next.stdout.trim())).toBeGreaterThan(BigInt(held[0].fence));
  });
}

onEveryStore(cases);
onRedlock(cases);
