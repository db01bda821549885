import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { firstLine, linesOf, until } from './support/poll.js';
import { Scene } from './support/program.js';

describe.skipIf(postgresIsMissing)('on PostgreSQL', () => {
  let server: PostgresServer;
  const scene = new Scene(() => server.url);
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server.stop());
  afterEach(() => server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE'));

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

  it('commands that wait for each other run one after the other', async () => {
    const file = scene.file('out');
    const running = Array.from({ length: 6 }, () =>
      scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo begin >> ${file}; sleep 0.05; echo end >> ${file}`]),
    );
    for (const { ended } of running) expect(await ended).toMatchObject({ status: 0 });
    expect(linesOf(file)).toEqual(Array.from({ length: 6 }, () => ['begin', 'end']).flat());
  });

  it('a holder that is killed is buried: the next command need not wait for its TTL', async () => {
    const file = scene.file('out');
    const holder = scene.holdfast(['run', '--ttl', '60s', 'x', '--', 'sh', '-c', `echo up >> ${file}; sleep 60`]);
    await firstLine(file);
    // Its guard has been told of the command by then.
    const shown = JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);
    expect(shown).toMatchObject({ held: [{ pid: holder.pid }] });
    holder.child.kill('SIGKILL');
    expect(await scene.outcome(['run', '--wait', '10s', 'x', '--', 'true'])).toMatchObject({ status: 0 });
    await until(
      'nothing is held',
      5_000,
      async () => (await server.value('SELECT count(*)::int FROM holdfast.leases WHERE expires > clock_timestamp()')) === 0,
    );
  });

  it('a bad URL, a server that is not there, and a password in it', async () => {
    const bad = await scene.outcome(['run', '--backend', 'postgres://user:s3cret@[::1/x', 'x', '--', 'true']);
    expect(bad.status).toBe(64);
    const away = await scene.outcome([
      'run',
      '--wait',
      '0',
      '--backend',
      'postgres://user:s3cret@127.0.0.1:1/x',
      'x',
      '--',
      'true',
    ]);
    expect(away.status).toBe(69);
    const unknown = await scene.outcome(['run', '--backend', `${server.url}?schema=pg_x`, 'x', '--', 'true']);
    expect(unknown.status).toBe(64);
    for (const { stderr } of [bad, away, unknown]) expect(stderr).not.toMatch(/s3cret/);
  });
});
