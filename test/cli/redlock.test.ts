import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { redisIsMissing } from '../support/redis-server.js';
import { RedlockNodes } from '../support/redlock-nodes.js';
import { registerCases } from './support/cases.js';
import { linesOf } from './support/poll.js';
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

  registerCases(scene, { keepsRecords: false });

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
