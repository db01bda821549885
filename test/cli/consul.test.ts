import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SomeConsul, startSomeConsul } from '../support/consul-server.js';
import { registerBurial, registerCases } from './support/cases.js';
import { Scene } from './support/program.js';

describe('on Consul', () => {
  let server: SomeConsul;
  const scene = new Scene(() => `consul://127.0.0.1:${server.port}`);
  beforeAll(async () => {
    server = await startSomeConsul();
  });
  afterAll(() => server.stop());

  registerCases(scene);

  it('commands that have ended leave no session behind', async () => {
    expect(await scene.outcome(['run', 'x', '--', 'true'])).toMatchObject({ status: 0 });
    const names = (await server.sessions()).map(({ Name }) => Name);
    expect(names.filter((name) => name !== 'holdfast mark')).toEqual([]);
  });

  registerBurial(scene);

  it('a bad URL and an agent that is away say what to do', async () => {
    const bad = await scene.outcome(['run', '--backend', 'consul://a?token=hunter2&x=1', 'x', '--', 'true']);
    expect(bad).toMatchObject({ status: 64, stderr: expect.stringMatching(/unknown parameter "x"/) });
    expect(bad.stderr).not.toMatch(/hunter2/);
    const away = await scene.outcome(['run', '--wait', '0', '--backend', 'consul://127.0.0.1:9', 'x', '--', 'true']);
    expect(away).toMatchObject({ status: 69, stderr: expect.stringMatching(/check that the agent is reachable/) });
  });
});
