import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { seed } from '../../src/backends/postgres/sql/keys.js';
import { ask, heldOf } from '../support/asks.js';
import { openPostgres } from '../support/postgres-clients.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { thrownBy, until } from '../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(postgresIsMissing)('the first use of a database', () => {
  const scene = new Scene();
  const open: pg.Client[] = [];
  afterEach(async () => {
    for (const client of open.splice(0)) await client.end();
  });
  const there = async () => (await scene.server.value("SELECT to_regclass('holdfast.meta')")) !== null;
  /** Another one that creates the tables, and takes its time. */
  const creating = async () => {
    const client = scene.server.client();
    open.push(client);
    await client.connect();
    await client.query(`SELECT pg_advisory_lock(${seed('setup holdfast')})`);
    return () => client.query('SELECT pg_advisory_unlock_all()');
  };

  it.each([
    ['repeatable read', 'off'],
    ['serializable', 'on'],
  ])('creates the tables where transactions are %s by default, and read only: %s', async (level, readOnly) => {
    await scene.server.rows('CREATE ROLE app LOGIN SUPERUSER');
    await scene.server.rows(`ALTER ROLE app SET default_transaction_isolation = '${level}'`);
    await scene.server.rows(`ALTER ROLE app SET default_transaction_read_only = '${readOnly}'`);
    const url = scene.server.url.replace('holdfast@', 'app@');
    const stores = [0, 1, 2, 3].map((i) => openPostgres(i % 2 === 0 ? 'pg' : 'postgres', url));
    const asks = stores.map((_, i) => ask(`name ${i}`));
    const created = await creating();
    const answers = stores.map((store, i) => store.acquire(asks[i] as ReturnType<typeof ask>));
    await sleep(300);
    await created();
    const outcomes = (await Promise.allSettled(answers)).map((one) =>
      one.status === 'fulfilled' ? one.value.outcome : one.reason,
    );
    await Promise.all(stores.map((store, i) => store.release(heldOf(asks[i] as ReturnType<typeof ask>)).catch(() => {})));
    await Promise.all(stores.map((store) => store.close()));
    await scene.server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE');
    await scene.server.rows('DROP ROLE app');
    expect(outcomes).toEqual(stores.map(() => 'granted'));
  });

  it.each(['pg', 'postgres'])('sends no ask of which was said that it was not sent (%s)', async (library) => {
    const store = scene.backend(library);
    const created = await creating();
    expect(await thrownBy(store.acquire(ask('job', { ttlMs: 400 })))).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await created();
    await until(there, 'the tables are there');
    await sleep(200);
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.leases')).toBe(0);
  });

  it.each(['pg', 'postgres'])(
    'whose answer never comes does not keep all later calls waiting (%s)',
    async (library) => {
      const proxy = await scene.proxy();
      const store = scene.backend(library, {}, proxy.port);
      const swallowed = proxy.once('pg_advisory_xact_lock', 'swallow-replies');
      expect(await thrownBy(store.acquire(ask('job', { ttlMs: 400 })))).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
      await swallowed;
      const one = ask('job');
      await until(
        async () => (await store.acquire(one).catch(() => undefined))?.outcome === 'granted',
        'calls go through again',
        12_000,
      );
      expect(await store.release(heldOf(one))).toBe('released');
    },
    20_000,
  );

  it.each([
    ['the schema', 'BEGIN; CREATE SCHEMA holdfast'],
    ['a function', "CREATE SCHEMA holdfast; BEGIN; CREATE FUNCTION holdfast.v2_wake(_name text) RETURNS void LANGUAGE sql AS ''"],
  ])('goes on when somebody who takes no lock commits %s in between', async (_what, statements) => {
    const client = scene.server.client();
    open.push(client);
    await client.connect();
    for (const one of statements.split('; ')) await client.query(one);
    const [store, one] = [scene.backend(), ask('job')];
    const answer = store.acquire(one);
    const waits = "SELECT count(*)::int FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
    await until(async () => (await scene.server.value(waits)) === 1, 'it waits for the other one');
    await client.query('COMMIT');
    expect(await answer).toMatchObject({ outcome: 'granted' });
    await store.release(heldOf(one));
  });
});
