import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';
import { firstLine, linesOf } from './support/poll.js';
import { Scene } from './support/program.js';

describe.skipIf(zookeeperIsMissing)('on ZooKeeper', () => {
  let server: ZooKeeperServer;
  const scene = new Scene(() => server.url);
  beforeAll(async () => {
    server = await ZooKeeperServer.start();
  });
  afterAll(() => server.stop());

  it('a command runs under a lock, whose holder is shown, and can be ended', async () => {
    const file = scene.file('out');
    const holder = scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo $HOLDFAST_FENCE >> ${file}; sleep 60`]);
    const fence = await firstLine(file);
    const shown = await scene.outcome(['inspect', 'x', '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ held: [{ pid: holder.pid, fence }] });
    expect(await scene.outcome(['run', '--wait', '0', 'x', '--', 'true'])).toMatchObject({ status: 75 });
    expect(await scene.outcome(['revoke', 'x', '--reason', 'a test'])).toMatchObject({ status: 0 });
    const ended = await holder.ended;
    expect(ended).toMatchObject({ status: 76 });
    // The revoker's session is over by then; what it said is still there.
    expect(holder.stderr()).toContain('(revoked)');
    await scene.outcome(['run', 'x', '--', 'sh', '-c', `echo $HOLDFAST_FENCE >> ${file}`]);
    const [before, after] = linesOf(file).map(BigInt);
    expect(after).toBeGreaterThan(before as bigint);
  });

  it('commands that wait for each other run one after the other', async () => {
    const file = scene.file('out');
    const running = Array.from({ length: 6 }, () =>
      scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo begin >> ${file}; sleep 0.05; echo end >> ${file}`]),
    );
    for (const { ended } of running) expect(await ended).toMatchObject({ status: 0 });
    expect(linesOf(file)).toEqual(Array.from({ length: 6 }, () => ['begin', 'end']).flat());
  });

  it('a killed holder costs no TTL: it is given back in its place', async () => {
    const file = scene.file('out');
    const holder = scene.holdfast(['run', '--ttl', '60s', 'x', '--', 'sh', '-c', `echo $$ >> ${file}; sleep 60`]);
    await firstLine(file);
    holder.child.kill('SIGKILL');
    const sinceMs = performance.now();
    expect(await scene.outcome(['run', '--wait', '20s', 'x', '--', 'true'])).toMatchObject({ status: 0 });
    expect(performance.now() - sinceMs).toBeLessThan(10_000);
  });

  it.each([
    ['zk://127.0.0.1:1', 69],
    ['zk://u:geheim@127.0.0.1:99999', 64],
    ['zk://u:geheim@127.0.0.1:2181?what=1', 64],
  ])('a URL that leads nowhere is said, and no password is repeated: %s', async (backend, status) => {
    const outcome = await scene.outcome(['run', '--wait', '0', '--backend', backend, 'x', '--', 'true']);
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).not.toContain('geheim');
    expect(outcome.stderr).not.toBe('');
  });
});
