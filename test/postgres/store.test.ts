import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { postgres, postgresFromUrl, setupSql } from '../../src/backends/postgres/index.js';
import type { Grant } from '../../src/core/backend.js';
import { fenceMax } from '../../src/core/fence.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { thrownBy, until } from '../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(postgresIsMissing)('the tables', () => {
  const scene = new Scene();

  it('are made once, whoever comes first', async () => {
    const stores = Array.from({ length: 8 }, (_, i) => scene.backend(i % 2 === 0 ? 'pg' : 'postgres'));
    const asks = stores.map((_, i) => ask(`name ${i}`));
    const answers = await Promise.all(stores.map((store, i) => store.acquire(asks[i] as ReturnType<typeof ask>)));
    expect(answers.map(({ outcome }) => outcome)).toEqual(stores.map(() => 'granted'));
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.meta')).toBe(1);
    await Promise.all(stores.map((store, i) => store.release(heldOf(asks[i] as ReturnType<typeof ask>))));
  });

  it('of several schemas know nothing of each other', async () => {
    const [one, other] = [scene.backend(), scene.backend('pg', { schema: 'Other-one' })];
    const [a, b] = [ask('job'), ask('job')];
    expect(await one.acquire(a)).toMatchObject({ outcome: 'granted' });
    expect(await other.acquire(b)).toMatchObject({ outcome: 'granted' });
    expect(await one.release(heldOf(a))).toBe('released');
    expect(await other.release(heldOf(b))).toBe('released');
    await scene.server.rows('DROP SCHEMA "Other-one" CASCADE');
  });

  it('hold text that a statement could stumble over', async () => {
    const store = scene.backend();
    const metadata = { quote: "'; DROP SCHEMA holdfast CASCADE; --", back: "\\'", dollar: '$holdfast$', nul: '\0', emoji: '🔒' };
    const one = ask("it's \\' a $1 %s %", { metadata });
    expect(await store.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await recordsOf(store, "it's")).toMatchObject([{ name: one.name.text, metadata }]);
    expect(await store.release(heldOf(one))).toBe('released');
  });

  it('in a database of another encoding hold every name', async () => {
    await scene.server.rows("CREATE DATABASE odd ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'");
    const pool = new pg.Pool({ connectionString: scene.server.url.replace(/postgres$/, 'odd'), max: 1 });
    pool.on('error', () => {});
    const store = postgres(pool);
    const one = ask('名前 🔒 é', { metadata: { é: '漢' } });
    expect(await store.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await recordsOf(store, '名')).toMatchObject([{ name: one.name.text, metadata: { é: '漢' } }]);
    expect(await store.release(heldOf(one))).toBe('released');
    await store.close();
    await pool.end();
    await scene.server.rows('DROP DATABASE odd WITH (FORCE)');
  });

  it('are swept of what nothing depends on, and of nothing else', async () => {
    const store = scene.backend();
    const held = ask('held');
    await store.acquire(held);
    for (const name of ['old', 'ahead', 'young']) {
      const one = ask(name);
      await store.acquire(one);
      await store.release(heldOf(one));
    }
    await store.abandon(ask('buried'));
    await scene.server.rows("UPDATE holdfast.leases SET since = since - interval '3 days' WHERE name <> 'young'");
    await scene.server.rows("UPDATE holdfast.leases SET fence = fence - 300000000 WHERE name = 'old'");
    await scene.server.rows("UPDATE holdfast.leases SET fence = fence + 86400000000 WHERE name = 'ahead'");
    const sweep = () => scene.server.value('SELECT holdfast.v2_sweep(172800000, 3600000, 1000)');
    expect(await sweep(), 'not before its time').toBe('0');
    await scene.server.rows("UPDATE holdfast.meta SET swept = swept - interval '2 hours'");
    expect(await sweep()).toBe('1');
    expect(await sweep(), 'once an hour').toBe('0');
    const names = (await scene.server.rows('SELECT name FROM holdfast.leases ORDER BY name')).map(({ name }) => name);
    expect(names).toEqual(['ahead', 'buried', 'held', 'young']);
    expect(await store.release(heldOf(held))).toBe('released');
  });

  it('keep their rows in place: a name that is taken often does not grow them', async () => {
    const store = scene.backend();
    for (let i = 0; i < 300; i++) {
      const one = ask('job');
      await store.acquire(one);
      await store.release(heldOf(one));
    }
    expect(Number(await scene.server.value("SELECT pg_relation_size('holdfast.leases')"))).toBeLessThanOrEqual(4 * 8_192);
  });

  it('a fence that runs ahead of the clock goes on from there, on every way to a grant', async () => {
    const store = scene.backend();
    const first = ask('job');
    await store.acquire(first);
    await store.release(heldOf(first));
    const ahead = BigInt(
      String((await scene.server.rows('UPDATE holdfast.leases SET fence = fence + 86400000000 RETURNING fence'))[0]?.['fence']),
    );
    const quick = ask('job', { fences: 3 });
    expect(await store.acquire(quick)).toMatchObject({ fences: { first: ahead + 1n, last: ahead + 3n } });
    await store.release(heldOf(quick));
    // Something beside the row sends the next ones the other way.
    await store.abandon(ask('job'));
    const thorough = ask('job');
    expect(await store.acquire(thorough)).toMatchObject({ fences: { first: ahead + 4n } });
    await store.release(heldOf(thorough));
    const reader = ask('job', { mode: 'shared' });
    expect(await store.acquire(reader)).toMatchObject({ fences: { first: ahead + 5n } });
    await store.release(heldOf(reader));
  });

  it('an ask whose copy arrives after its grant is over makes no orphan', async () => {
    const store = scene.backend();
    for (const mode of ['exclusive', 'shared'] as const) {
      const one = ask('job', { mode });
      await store.acquire(one);
      await store.release(heldOf(one));
      expect(await store.acquire({ ...one, enqueue: true })).toMatchObject({ outcome: 'refused', because: 'abandoned' });
    }
  });

  it('a fence at the end of its range is damage, and is said to be', async () => {
    const store = scene.backend();
    const one = ask('job');
    await store.acquire(one);
    await store.release(heldOf(one));
    await scene.server.rows('UPDATE holdfast.leases SET fence = $1', [String(fenceMax)]);
    expect(await thrownBy(store.acquire(ask('job')))).toMatchObject({ code: 'BACKEND_CORRUPT' });
  });
});

describe.skipIf(postgresIsMissing)('a late copy of a revocation', () => {
  const scene = new Scene();

  it.each([false, true])('is told the same, and ends nobody who came after it (of one fence: %s)', async (one) => {
    const store = scene.backend();
    const own = ask('job');
    const { fences } = (await store.acquire(own)) as Grant;
    const values = ['job', 'id', '{"kind":"revoked","reason":"r"}', one ? String(fences.last) : null];
    const call = `SELECT holdfast.v2_revoke($1, $2, $3, $4, false, false, 0, 0, '', '')`;
    const told = String(await scene.server.value(call, values));
    expect(told).toContain(own.owner);
    const next = ask('job');
    expect(await store.acquire(next)).toMatchObject({ outcome: 'granted' });
    expect(await scene.server.value(call, values)).toBe(told);
    expect(await store.renew([heldOf(next)])).toMatchObject([{ outcome: 'renewed' }]);
    await store.release(heldOf(next));
  });
});

describe.skipIf(postgresIsMissing)('a batch of renewals', () => {
  const scene = new Scene();

  it('may have a name twice: with who lost it, and with who has it', async () => {
    const store = scene.backend();
    const [old, heir] = [ask('job'), ask('job')];
    await store.acquire(old);
    await store.revoke(heir.name, { kind: 'stolen', reason: 'a test', node: heir.node, heir });
    const answers = await store.renew([heldOf(old), heldOf(heir)]);
    expect(answers).toMatchObject([{ outcome: 'not-yours', by: { kind: 'stolen' } }, { outcome: 'renewed' }]);
    expect(await store.release(heldOf(heir))).toBe('released');
  });

  it('that runs twice at once extends each hold, and neither waits for the other', async () => {
    const [one, other] = [scene.backend(), scene.backend()];
    const asks = Array.from({ length: 200 }, (_, i) => ask(`n/${i}`));
    await Promise.all(asks.map((each) => one.acquire(each)));
    const holds = asks.map(heldOf);
    const answers = await Promise.all([one.renew(holds), other.renew([...holds].reverse()), one.renew(holds)]);
    for (const answer of answers.flat()) expect(answer.outcome).toBe('renewed');
    await Promise.all(asks.map((each) => one.release(heldOf(each))));
  });
});

describe.skipIf(postgresIsMissing)('a role', () => {
  const scene = new Scene();
  const pools: pg.Pool[] = [];
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((pool) => pool.end()));
    await scene.server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE');
    await scene.server.rows('DROP ROLE IF EXISTS app');
  });
  const asApp = (): pg.Pool => {
    const pool = new pg.Pool({ host: '127.0.0.1', port: scene.server.port, user: 'app', database: 'postgres', max: 2 });
    pools.push(pool);
    return pool;
  };

  it('that may create nothing is told what to run, and what it is told works', async () => {
    await scene.server.rows('CREATE ROLE app LOGIN');
    const store = postgres(asApp());
    expect(await thrownBy(store.acquire(ask('job')))).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      permanent: true,
      message: expect.stringMatching(/GRANT CREATE ON DATABASE.*setupSql/s),
    });
    expect(await store.probe()).toEqual(
      expect.arrayContaining([expect.objectContaining({ severity: 'critical', fix: expect.stringMatching(/setupSql/) })]),
    );
    for (let twice = 0; twice < 2; twice++) await scene.server.rows(setupSql({ role: 'app' }));
    const locks = scene.holderOn(store);
    const lease = await locks.acquire('job');
    await expect(postgres(asApp()).acquire(ask('job', { enqueue: false }))).resolves.toMatchObject({ outcome: 'refused' });
    expect(await lease.release()).toBe('released');
    expect((await store.probe()).filter(({ severity }) => severity === 'critical').map(({ what }) => what)).toEqual([
      'fsync is off',
    ]);
  });

  it('that may create, but does not own what is there, is told what to grant', async () => {
    await scene.server.rows('CREATE ROLE app LOGIN');
    await scene.server.rows(setupSql());
    const store = postgres(asApp());
    const error = await thrownBy(store.acquire(ask('job')));
    expect(error).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      permanent: true,
      message: expect.stringMatching(/GRANT USAGE ON SCHEMA/),
    });
    const [finding] = (await store.probe()).filter(({ what }) => what.includes('may not use'));
    for (const statement of (finding?.fix ?? '').split(';').filter((text) => text.trim() !== ''))
      await scene.server.rows(statement);
    const one = ask('job');
    expect(await store.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await store.release(heldOf(one))).toBe('released');
    await store.close();
  });

  it.each(['serializable', 'repeatable read'])(
    'whose transactions are %s and read only by default works the same',
    async (level) => {
      await scene.server.rows('CREATE ROLE app LOGIN SUPERUSER');
      await scene.server.rows(`ALTER ROLE app SET default_transaction_isolation = '${level}'`);
      await scene.server.rows("ALTER ROLE app SET default_transaction_read_only = 'on'");
      await scene.server.rows(setupSql());
      const holders = [0, 1, 2].map(() => scene.holderOn(postgres(asApp()), { ttlMs: 5_000 }));
      const crowd = scene.crowd(holders, 'job');
      await crowd.more(30);
      await crowd.stop();
      expect(crowd.failures).toEqual([]);
      expect(scene.sink.refused).toBe(0);
      expect((await postgres(asApp()).probe()).map(({ what }) => what)).toContain(
        `transactions are ${level} and read only by default`,
      );
    },
  );

  it('with the wrong name, a database that is not there: told at once, for good', async () => {
    const url = scene.server.url;
    for (const bad of [url.replace('holdfast@', 'nobody@'), url.replace(/postgres$/, 'nowhere')]) {
      for (const library of ['pg', 'postgres'] as const) {
        const store = await postgresFromUrl(bad, library);
        expect(await thrownBy(store.acquire(ask('job')))).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true });
        await store.close();
      }
    }
  });
});

describe.skipIf(postgresIsMissing)('a pool', () => {
  const scene = new Scene();

  it('that the application uses up costs an ask, which was not sent, and no more', async () => {
    const pool = new pg.Pool({ connectionString: scene.server.url, max: 1 });
    const store = postgres(pool);
    const first = ask('job');
    await store.acquire(first);
    await store.release(heldOf(first));
    const theirs = await pool.connect();
    expect(await thrownBy(store.acquire(ask('job', { ttlMs: 400 })))).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/got no connection/),
    });
    theirs.release();
    const one = ask('job');
    expect(await store.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await store.release(heldOf(one))).toBe('released');
    await store.close();
    expect(pool.ended).toBe(false);
    await pool.end();
  });

  it('that nobody listens to does not end the process when an idle connection breaks', async () => {
    const pool = new pg.Pool({ connectionString: scene.server.url, max: 2 });
    const store = postgres(pool);
    const one = ask('job');
    await store.acquire(one);
    await scene.server.terminateOthers();
    await until(() => pool.totalCount === 0, 'the pool has seen it');
    expect(await store.release(heldOf(one))).toBe('released');
    await store.close();
    await pool.end();
  });

  it('with a hanging connection gets another one for it', async () => {
    const proxy = await scene.proxy();
    const pool = new pg.Pool({ host: '127.0.0.1', port: proxy.port, user: 'holdfast', database: 'postgres', max: 1 });
    const store = postgres(pool);
    // The first call makes the connection and the tables.
    const one = ask('job', { ttlMs: 5_000 });
    await store.acquire(one);
    const swallowed = proxy.once('v2_release', 'swallow-replies');
    expect(await thrownBy(store.release(heldOf(one)))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await swallowed;
    expect(await store.release(heldOf(one))).toBe('absent');
    await store.close();
    await pool.end();
  });
});
