import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SomeConsul, startSomeConsul } from '../support/consul-server.js';
import { firstLine, linesOf, until } from './support/poll.js';
import { Scene } from './support/program.js';

describe('on Consul', () => {
  let server: SomeConsul;
  const scene = new Scene(() => `consul://127.0.0.1:${server.port}`);
  beforeAll(async () => {
    server = await startSomeConsul();
  });
  afterAll(() => server.stop());

  it('a command runs under a lock, whose holder is shown, and can be ended', async () => {
    const file = scene.file('out');
    const holder = scene.holdfast(['run', 'x', '--ttl', '3s', '--', 'sh', '-c', `echo $HOLDFAST_FENCE >> ${file}; sleep 60`]);
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

  it('commands that wait for each other run one after the other, and leave no session behind', async () => {
    const file = scene.file('out');
    const running = Array.from({ length: 4 }, () =>
      scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo begin >> ${file}; sleep 0.05; echo end >> ${file}`]),
    );
    for (const { ended } of running) expect(await ended).toMatchObject({ status: 0 });
    expect(linesOf(file)).toEqual(Array.from({ length: 4 }, () => ['begin', 'end']).flat());
    const names = (await server.sessions()).map(({ Name }) => Name);
    expect(names.filter((name) => name !== 'holdfast mark')).toEqual([]);
  });

  it('a holder that is killed: the next command starts long before the TTL is over', async () => {
    const file = scene.file('out');
    const holder = scene.holdfast(['run', 'x', '--ttl', '60s', '--', 'sh', '-c', `echo begin >> ${file}; sleep 60`]);
    await firstLine(file);
    holder.child.kill('SIGKILL');
    expect(await scene.outcome(['run', '--wait', '20s', 'x', '--', 'true'])).toMatchObject({ status: 0 });
    await until('nothing is held', 5_000, async () => (await server.keys()).length === 0);
  });

  it('a bad URL and an agent that is away say what to do', async () => {
    const bad = await scene.outcome(['run', '--backend', 'consul://a?token=hunter2&x=1', 'x', '--', 'true']);
    expect(bad).toMatchObject({ status: 64, stderr: expect.stringMatching(/unknown parameter "x"/) });
    expect(bad.stderr).not.toMatch(/hunter2/);
    const away = await scene.outcome(['run', '--wait', '0', '--backend', 'consul://127.0.0.1:9', 'x', '--', 'true']);
    expect(away).toMatchObject({ status: 69, stderr: expect.stringMatching(/check that the agent is reachable/) });
  });
});
