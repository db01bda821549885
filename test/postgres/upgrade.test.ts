import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { postgres, setupSql } from '../../src/backends/postgres/index.js';
import { ask, heldOf } from '../support/asks.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { thrownBy } from '../support/waits.js';
import { Scene } from './scene.js';

/** What `setupSql()` of the released version answered, and what its processes call. */
const released = readFileSync(new URL('fixtures/0.1.0.sql', import.meta.url), 'utf8');

describe.skipIf(postgresIsMissing)('a schema that an older version has installed', () => {
  const scene = new Scene();
  const pools: pg.Pool[] = [];
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.end()));
    await scene.server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE');
    await scene.server.rows('DROP ROLE IF EXISTS app');
  });
  const functionsOf = (version: number) =>
    scene.server.rows(
      `SELECT oid, xmin::text, proname FROM pg_proc WHERE pronamespace = 'holdfast'::regnamespace AND proname LIKE 'v${version}\\_%' ORDER BY oid`,
    );
  const old = {
    ask: async (owner: string): Promise<string> =>
      (await scene.server.value("SELECT holdfast.v1_acquire('job', $1, false, 60000, 1, true, '', '{}', '{}')", [
        owner,
      ])) as string,
    release: (owner: string) => scene.server.value("SELECT holdfast.v1_release('job', $1, false)", [owner]),
  };

  it('serves processes of both versions, and each keeps its functions', async () => {
    await scene.server.rows(released);
    const before = await functionsOf(1);
    expect(before.length).toBeGreaterThan(10);
    const store = scene.backend();
    const [first] = (await old.ask('older')).split(' ');
    const own = ask('job', { enqueue: true });
    expect(await store.acquire(own)).toMatchObject({
      outcome: 'refused',
      because: 'held',
      holders: [{ fence: BigInt(first ?? 0) }],
    });
    expect(await store.read(own.name)).toHaveLength(2);
    expect(await old.release('older')).toBe('released');
    const grant = await store.acquire(own);
    expect(grant).toMatchObject({ outcome: 'granted' });
    expect(grant.outcome === 'granted' && grant.fences.first > BigInt(first ?? 0)).toBe(true);
    expect(JSON.parse(await old.ask('older again'))).toMatchObject({ because: 'held' });
    expect(await store.release(heldOf(own))).toBe('released');
    expect(await old.ask('older again')).toMatch(/^\d+ \d+ older again$/);
    expect(await old.release('older again')).toBe('released');
    expect(await functionsOf(1)).toEqual(before);

    const own2 = await functionsOf(2);
    await scene.server.rows(released);
    expect(await functionsOf(2), 'an old process that installs its own').toEqual(own2);
    expect(await scene.server.rows('SELECT version FROM holdfast.meta ORDER BY version')).toEqual([
      { version: 1 },
      { version: 2 },
    ]);
  });

  it('and whose role may create nothing: is told what to run, and what it is told works', async () => {
    await scene.server.rows('CREATE ROLE app LOGIN');
    await scene.server.rows(released);
    await scene.server.rows('GRANT USAGE ON SCHEMA holdfast TO app; GRANT ALL ON ALL TABLES IN SCHEMA holdfast TO app');
    const pool = new pg.Pool({ host: '127.0.0.1', port: scene.server.port, user: 'app', database: 'postgres', max: 2 });
    pools.push(pool);
    const store = postgres(pool);
    const own = ask('job');
    expect(await thrownBy(store.acquire(own))).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      permanent: true,
      message: expect.stringMatching(/functions of version 2 are not all there.*setupSql/s),
    });
    const criticals = async () => (await store.probe()).filter(({ severity }) => severity === 'critical').map(({ what }) => what);
    expect(await criticals()).toContain(
      'the schema holdfast has no functions of this version of Holdfast, and the role "app" may not create them',
    );
    await scene.server.rows(setupSql({ role: 'app' }));
    expect(await store.acquire(own)).toMatchObject({ outcome: 'granted' });
    expect(await store.read(own.name)).toHaveLength(1);
    expect(await store.release(heldOf(own))).toBe('released');
    expect(await criticals()).toEqual(['fsync is off']);
  });
});
