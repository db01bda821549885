import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { registerBurial, registerCases } from './support/cases.js';
import { Scene } from './support/program.js';

describe.skipIf(postgresIsMissing)('on PostgreSQL', () => {
  let server: PostgresServer;
  const scene = new Scene(() => server.url);
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server.stop());
  afterEach(() => server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE'));

  registerCases(scene);
  registerBurial(scene);

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
