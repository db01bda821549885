import { expect, it } from 'vitest';
import { until } from '../cli/support/poll.js';
import { type Running, Scene } from '../cli/support/program.js';
import { drillProcesses, leftInStore } from './support/workers.js';

const scene = new Scene();

/** With a TTL at which a drill of one fault lasts far longer than this test looks at it. */
async function underWay(fault: string): Promise<Running> {
  const running = scene.holdfast(['drill', '--ttl', '20s', '--only', fault]);
  await until('somebody holds and somebody waits', 20_000, async () => {
    const { held, waiting } = JSON.parse((await scene.outcome(['query', '--json', 'holdfast-drill:'])).stdout);
    return held.length === 1 && waiting.length === 1;
  });
  // Who is stopped has somebody beside it who will let it go on.
  await until('the fault is there', 10_000, () => drillProcesses(scene).length === (fault === 'freeze' ? 3 : 2));
  return running;
}

it.each(['SIGINT', 'SIGTERM'] as const)(
  '%s: the workers end, also one that stands still, and nothing stays held',
  async (signal) => {
    const running = await underWay('freeze');
    running.child.kill(signal);
    expect(await running.ended).toMatchObject({ status: signal === 'SIGINT' ? 130 : 143 });
    expect(running.stderr()).toContain('interrupted');
    expect(drillProcesses(scene)).toEqual([]);
    expect(await leftInStore(scene)).toEqual([]);
  },
);

it.each(['freeze', 'block'])('a drill that is killed leaves no worker behind, in the middle of %s', async (fault) => {
  const running = await underWay(fault);
  running.child.kill('SIGKILL');
  await running.ended;
  await until('all workers have ended', 10_000, () => drillProcesses(scene).length === 0);
});

it('wrong usage is said, and a store that is away', async () => {
  const usage = async (...args: readonly string[]) => {
    const { status, stderr } = await scene.outcome(['drill', ...args]);
    expect(status).toBe(64);
    return stderr;
  };
  expect(await usage('x')).toContain('takes no "x"');
  expect(await usage('--only', 'crsh')).toContain('did you mean crash?');
  expect(await usage('--module', 'a.mjs', '--backend', 'sqlite:')).toContain('leave out --backend');
  expect(await usage('--module', scene.file('nothing.mjs'))).toContain('cannot be loaded');
  expect(await usage('--ttl', '2')).toContain('without a unit');
  const away = await scene.outcome(['drill', '--only', 'crash', '--backend', 'redis://user:s3cret@127.0.0.1:1']);
  expect(away.status).toBe(69);
  expect(away.stdout + away.stderr).not.toContain('s3cret');
});
