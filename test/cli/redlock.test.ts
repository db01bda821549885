import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { redisIsMissing } from '../support/redis-server.js';
import { RedlockNodes } from '../support/redlock-nodes.js';
import { firstLine, linesOf } from './support/poll.js';
import { Scene } from './support/program.js';

describe.skipIf(redisIsMissing)('on three nodes', () => {
  let nodes: RedlockNodes;
  const hosts = () => nodes.ports.map((port) => `127.0.0.1:${port}`).join(',');
  const scene = new Scene(() => `redlock://${hosts()}?newNodes=trust`);
  beforeAll(async () => {
    nodes = await RedlockNodes.start(3);
  });
  afterAll(() => nodes.stop());
  afterEach(() => nodes.command('FLUSHALL'));

  it('a command runs under a lock, whose holder is shown, and can be ended', async () => {
    const file = scene.file('out');
    const holder = scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo $HOLDFAST_FENCE >> ${file}; sleep 60`]);
    const fence = await firstLine(file);
    const shown = await scene.outcome(['inspect', 'x', '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ held: [{ pid: holder.pid, fence }] });
    expect(await scene.outcome(['run', '--wait', '0', 'x', '--', 'true'])).toMatchObject({ status: 75 });
    expect(await scene.outcome(['revoke', 'x', '--reason', 'a test'])).toMatchObject({ status: 0 });
    expect(await holder.ended).toMatchObject({ status: 76 });
    await scene.outcome(['run', 'x', '--', 'sh', '-c', `echo $HOLDFAST_FENCE >> ${file}`]);
    const [before, after] = linesOf(file).map(BigInt);
    expect(after).toBeGreaterThan(before as bigint);
  });

  it('commands that wait for each other run one after the other, also without one of the nodes', async () => {
    await nodes.server(1).kill();
    const file = scene.file('out');
    const running = Array.from({ length: 8 }, () =>
      scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo begin >> ${file}; sleep 0.05; echo end >> ${file}`]),
    );
    for (const { ended } of running) expect(await ended).toMatchObject({ status: 0 });
    expect(linesOf(file)).toEqual(Array.from({ length: 8 }, () => ['begin', 'end']).flat());
    await nodes.server(1).boot();
  });

  it('nodes that are new are not trusted unasked, and it says how long', async () => {
    const backend = `redlock://${hosts()}?maxTtlMs=600000`;
    const { status, stderr } = await scene.outcome(['run', '--wait', '0', '--backend', backend, 'x', '--', 'true']);
    expect(status).toBe(69);
    expect(stderr).toMatch(/sits out \d+\.\d s more/);
  });
});
