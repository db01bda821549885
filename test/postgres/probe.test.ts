import { afterEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/core/backend.js';
import { ask, heldOf } from '../support/asks.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { until } from '../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(postgresIsMissing)('the probe', () => {
  const scene = new Scene();
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
    await scene.server.rows('ALTER SYSTEM RESET ALL');
    await scene.server.rows('SELECT pg_reload_conf()');
    await scene.server.rows('ALTER ROLE holdfast RESET ALL');
  });

  /** Without what every server of these tests has. */
  const findings = async (library = 'pg'): Promise<readonly Finding[]> =>
    (await scene.backend(library).probe()).filter(({ what }) => what !== 'fsync is off');
  const use = async () => {
    const store = scene.backend();
    const one = ask('job');
    await store.acquire(one);
    await store.release(heldOf(one));
  };
  const found = (what: RegExp, severity: Finding['severity']) =>
    expect.arrayContaining([expect.objectContaining({ severity, what: expect.stringMatching(what) })]);

  it.each(['pg', 'postgres'])('finds nothing on a server in order (%s)', async (library) => {
    await use();
    expect(await findings(library)).toEqual([]);
  });

  it('says that the tables are not there yet, and that fsync is off', async () => {
    expect(await findings()).toEqual(found(/no tables of Holdfast yet/, 'info'));
    expect(await scene.backend().probe()).toEqual(found(/fsync is off/, 'critical'));
  });

  it('finds commits that a crash takes back', async () => {
    await use();
    await scene.server.rows('ALTER ROLE holdfast SET synchronous_commit = off');
    await scene.server.rows('ALTER TABLE holdfast.leases SET UNLOGGED');
    const seen = await findings();
    expect(seen).toEqual(found(/synchronous_commit is off/, 'critical'));
    expect(seen).toEqual(found(/not logged: leases/, 'critical'));
  });

  it('finds a standby that is not waited for', async () => {
    await use();
    const standby = await PostgresServer.standby(scene.server);
    ends.push(() => standby.stop());
    await until(
      async () => (await scene.server.value("SELECT count(*)::int FROM pg_stat_replication WHERE state = 'streaming'")) === 1,
      'it follows',
    );
    expect(await findings()).toEqual(found(/standby follows asynchronously/, 'warning'));
  });

  it('finds sessions that sit on our rows, and few connections left', async () => {
    await use();
    const client = scene.server.client();
    await client.connect();
    ends.push(() => client.end());
    await client.query('BEGIN');
    await client.query('SELECT FROM holdfast.leases FOR UPDATE');
    await new Promise((resolve) => setTimeout(resolve, 5_200));
    const crowd = await Promise.all(
      Array.from({ length: 170 }, async () => {
        const one = scene.server.client();
        await one.connect();
        return one;
      }),
    );
    ends.push(() => Promise.all(crowd.map((one) => one.end())));
    const seen = await findings();
    expect(seen).toEqual(found(/idle for \d+ s in a transaction/, 'warning'));
    expect(seen).toEqual(found(/\d+ of 197 connections are in use/, 'warning'));
  });

  it('finds dead rows that nobody takes out', async () => {
    await use();
    await scene.server.rows('ALTER TABLE holdfast.ended SET (autovacuum_enabled = false)');
    await scene.server.rows("INSERT INTO holdfast.ended SELECT 'x', i::text, now(), NULL FROM generate_series(1, 25000) i");
    await scene.server.rows('DELETE FROM holdfast.ended');
    await scene.server.rows('SELECT pg_stat_force_next_flush()');
    await until(
      async () => (await findings()).some(({ what }) => /holdfast.ended has 25000 dead rows/.test(what)),
      'the statistics have it',
    );
  });
});
