import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { postgresDatabase } from '../../src/backends/postgres/index.js';
import { outbox, relay, UnpublishableError } from '../../src/outbox/index.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { until } from '../support/waits.js';
import { Scene } from './support/program.js';

describe.skipIf(postgresIsMissing)('holdfast outbox', () => {
  let server: PostgresServer;
  let pool: pg.Pool;
  const scene = new Scene(() => server.url);
  beforeAll(async () => {
    server = await PostgresServer.start();
    pool = new pg.Pool({ connectionString: server.url });
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });
  afterEach(() => server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE'));

  /** One dead letter with an event behind it, and one that waits. */
  async function trouble(): Promise<string> {
    const [database, client] = [postgresDatabase(pool), await pool.connect()];
    const box = outbox(database);
    await client.query('BEGIN');
    const [bad] = await box.write(client, [
      { key: 'order \u001b[31m1', type: 'paid', payload: { cents: 100 } },
      { key: 'order \u001b[31m1', type: 'sent', payload: null },
    ]);
    await client.query('COMMIT');
    client.release();
    const running = relay(database, {
      publishOne: () => Promise.reject(new UnpublishableError('refused')),
    });
    await until(async () => (await box.status()).blocked === 1, 'it is dead, and one waits behind it');
    await running.stop();
    return bad?.id ?? '';
  }

  it('shows the lag and dead letters, also as JSON', async () => {
    const id = await trouble();
    const shown = await scene.outcome(['outbox', server.url]);
    expect(shown).toMatchObject({ status: 0, stderr: '' });
    expect(shown.stdout).toMatch(/^lag –, 2 events wait \(1 behind another of their key\), the oldest for /);
    expect(shown.stdout).toContain('1 dead, 0 tried again; 0 relays, 16 of 16 parts without one');
    expect(shown.stdout).toMatch(
      new RegExp(`${id} +order \\\\u\\{1b\\}\\[31m1 +paid +dead +1 +\\S+ +1 +UnpublishableError: refused`),
    );
    const json = JSON.parse((await scene.outcome(['outbox', '--json', server.url])).stdout);
    expect(json).toMatchObject({ waiting: 2, blocked: 1, lagMs: null, dead: 1, retrying: 0, relays: 0 });
    expect(json.letters).toMatchObject([
      {
        id,
        key: 'order \u001b[31m1',
        type: 'paid',
        dead: true,
        dueInMs: null,
        blocks: 1,
        sequence: expect.stringMatching(/^\d+$/),
      },
    ]);
  });

  it('tries a dead letter again, and discards one', async () => {
    const id = await trouble();
    expect((await scene.outcome(['outbox', 'retry', server.url, id])).stdout).toBe('one dead letter is tried again\n');
    expect((await scene.outcome(['outbox', 'retry', server.url, '--all'])).stdout).toMatch(/^none of these/);
    expect(await scene.outcome(['outbox', 'discard', server.url, id])).toMatchObject({ status: 64, stdout: '' });
    await server.rows('UPDATE holdfast.outbox_letters SET dead = now()');
    const gone = await scene.outcome(['outbox', 'discard', server.url, id]);
    expect(JSON.parse(gone.stdout)).toMatchObject({
      id,
      key: 'order \u001b[31m1',
      type: 'paid',
      payload: { cents: 100 },
      attempts: 0,
    });
    expect(JSON.parse((await scene.outcome(['outbox', '--json', server.url])).stdout)).toMatchObject({
      waiting: 1,
      dead: 0,
      blocked: 0,
      letters: [],
    });
  });

  it('creates nothing, and says what is wrong', async () => {
    expect(await scene.outcome(['outbox', server.url])).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('there is no outbox'),
    });
    expect(await server.value("SELECT count(*)::int FROM pg_namespace WHERE nspname = 'holdfast'")).toBe(0);
    const away = 'postgres://user:s3cret@127.0.0.1:1/x';
    const outcomes = await Promise.all(
      [
        ['outbox'],
        ['outbox', 'mysql://user:s3cret@x/y'],
        ['outbox', server.url, 'x'],
        ['outbox', 'retry', server.url],
        ['outbox', 'discard', server.url],
        ['outbox', 'rety', server.url],
      ].map((words) => scene.outcome(words)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([64, 64, 64, 64, 64, 64]);
    const unreachable = await scene.outcome(['outbox', away]);
    expect(unreachable.status).toBe(69);
    for (const { stderr } of [...outcomes, unreachable]) expect(stderr).not.toContain('s3cret');
  });
});
