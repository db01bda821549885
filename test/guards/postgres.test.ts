import assert from 'node:assert/strict';
import pg from 'pg';
import postgresJs from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendUnavailableError, InvalidArgumentError, OutcomeUnknownError, StaleFenceError } from '../../src/core/errors.js';
import { enforceSql, type PostgresGuard, postgresGuard, setupSql, updateFenced } from '../../src/guards/postgres/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { thrownBy, until } from '../support/waits.js';
import { guardContract } from './contract.js';

describe.skipIf(postgresIsMissing)('guard of PostgreSQL', () => {
  let server: PostgresServer;
  let pool: pg.Pool;
  let guard: PostgresGuard<pg.PoolClient>;
  const read = async (resource: string) =>
    (await server.value('SELECT value FROM things WHERE resource = $1', [Buffer.from(resource, 'utf16le')])) as
      | string
      | undefined;
  const put = 'INSERT INTO things VALUES ($1, $2) ON CONFLICT (resource) DO UPDATE SET value = EXCLUDED.value';
  const waitingFor = (n: number) =>
    until(
      async () => Number(await server.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) === n,
      `${n} wait for a lock`,
    );

  beforeAll(async () => {
    server = await PostgresServer.start();
    pool = new pg.Pool({ connectionString: server.url, max: 20 });
    pool.on('error', () => {});
    guard = postgresGuard<pg.PoolClient>(pool);
    await server.rows('CREATE TABLE things (resource bytea PRIMARY KEY, value text NOT NULL)');
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
  });

  describe('with pg', () => {
    guardContract<pg.PoolClient>(() => ({
      guard,
      write: async (tx, resource, value) => void (await tx.query(put, [Buffer.from(resource, 'utf16le'), value])),
      read,
    }));
  });

  describe('with postgres.js', () => {
    let sql: postgresJs.Sql;
    beforeAll(() => {
      sql = postgresJs(server.url, { max: 20, onnotice: () => {}, fetch_types: false });
    });
    afterAll(() => sql.end({ timeout: 1 }));
    guardContract<postgresJs.TransactionSql>(() => ({
      guard: postgresGuard<postgresJs.TransactionSql>(sql),
      write: async (tx, resource, value) => void (await tx.unsafe(put, [Buffer.from(resource, 'utf16le'), value])),
      read,
    }));

    it('checks in the transaction of the application, and rolls back what is stale', async () => {
      const own = postgresGuard<postgresJs.TransactionSql>(sql);
      await own.raise({ resource: 'js', fence: 5n });
      const late = sql.begin(async (tx) => {
        await own.check(tx, { resource: 'js', fence: 4n });
      });
      expect(await thrownBy(late)).toBeInstanceOf(StaleFenceError);
      expect(await thrownBy(own.check(sql, { resource: 'js', fence: 6n }))).toBeInstanceOf(InvalidArgumentError);
    });

    it('does not wait for ever for a rollback that nobody answers', async () => {
      const proxy = await FaultProxy.start(server.port);
      const far = postgresJs({ host: '127.0.0.1', port: proxy.port, user: server.user, database: 'postgres', max: 1 });
      const own = postgresGuard<postgresJs.TransactionSql>(far, { commandTimeoutMs: 2_000 });
      const failure = new Error('of the work');
      const work = own.run({ resource: 'hangs js', fence: 1n }, () => {
        proxy.silence();
        throw failure;
      });
      expect(await thrownBy(work)).toBe(failure);
      await proxy.close();
      await far.end({ timeout: 0 });
    });

    it('writes nothing where the work has caught the error of a statement', async () => {
      const own = postgresGuard<postgresJs.TransactionSql>(sql);
      const work = own.run({ resource: 'swallowed js', fence: 1n }, async (tx) => {
        await tx.unsafe(put, [Buffer.from('swallowed js', 'utf16le'), 'x']);
        await tx.unsafe('SELECT 1/0').catch(() => {});
      });
      await thrownBy(work);
      expect(await read('swallowed js')).toBeUndefined();
      expect(await own.mark('swallowed js')).toBeUndefined();
    });
  });

  it.each(['REPEATABLE READ', 'SERIALIZABLE'] as const)('holds at %s', async (isolation) => {
    const strict = postgresGuard<pg.PoolClient>(pool, { isolation });
    const resource = isolation;
    await strict.run({ resource, fence: 5n }, (tx) => tx.query(put, [Buffer.from(resource, 'utf16le'), 'five']));
    expect(await thrownBy(strict.run({ resource, fence: 4n }, () => {}))).toBeInstanceOf(StaleFenceError);
    // The second waits for the first, whose commit it must not overlook: that says nothing about its fence, which is the higher one.
    let go: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const slow = strict.run({ resource, fence: 6n }, () => held);
    await until(
      async () => (await server.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")) === '1',
      'open',
    );
    const second = thrownBy(strict.run({ resource, fence: 7n }, () => {}));
    await waitingFor(1);
    go();
    await slow;
    const error = await second;
    assert(error instanceof BackendUnavailableError, String(error));
    expect(error.cause).toMatchObject({ code: '40001' });
    expect(await strict.mark(resource)).toBe(6n);
    await strict.run({ resource, fence: 7n }, () => {});
  });

  it.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])('checks in a transaction of the caller at %s', async (level) => {
    const resource = `caller ${level}`;
    await guard.raise({ resource, fence: 5n });
    const tx = await pool.connect();
    try {
      await tx.query(`BEGIN ISOLATION LEVEL ${level}`);
      await guard.check(tx, { resource, fence: 5n });
      await tx.query(put, [Buffer.from(resource, 'utf16le'), 'x']);
      await tx.query('COMMIT');
      await tx.query(`BEGIN ISOLATION LEVEL ${level}`);
      expect(await thrownBy(guard.check(tx, { resource, fence: 4n }))).toMatchObject({
        fence: 4n,
        mark: 5n,
        resource,
        sink: 'postgres',
      });
      await tx.query('ROLLBACK');
      // A snapshot that is older than the mark: at READ COMMITTED it is seen, above it is a serialization failure.
      await tx.query(`BEGIN ISOLATION LEVEL ${level}`);
      await tx.query('SELECT count(*) FROM things');
      await guard.raise({ resource, fence: 9n });
      const error = await thrownBy(guard.check(tx, { resource, fence: 6n }));
      if (level === 'READ COMMITTED') expect(error).toBeInstanceOf(StaleFenceError);
      else expect(error).toMatchObject({ code: '40001' });
      await tx.query('ROLLBACK');
    } finally {
      tx.release();
    }
  });

  it('does not wait for ever in a transaction whose connection hangs', async () => {
    const proxy = await FaultProxy.start(server.port);
    const tx = server.client({ port: proxy.port });
    tx.on('error', () => {});
    await tx.connect();
    await tx.query('BEGIN');
    proxy.silence();
    const own = postgresGuard(pool, { commandTimeoutMs: 200 });
    expect(await thrownBy(own.check(tx, { resource: 'hangs', fence: 1n }))).toBeInstanceOf(BackendUnavailableError);
    await proxy.close();
    await tx.end().catch(() => {});
  });

  it('refuses to check where there is no transaction, and says so', async () => {
    const error = await thrownBy(guard.check(pool, { resource: 'none', fence: 1n }));
    assert(error instanceof InvalidArgumentError);
    expect(error.message).toMatch(/outside of a transaction/);
    expect(await guard.mark('none')).toBeUndefined();
  });

  it('has a write that waits behind a higher fence refused, not applied after it', async () => {
    const resource = 'waits';
    let go: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const high = guard.run({ resource, fence: 10n }, async (tx) => {
      await held;
      await tx.query(put, [Buffer.from(resource, 'utf16le'), 'high']);
    });
    await until(
      async () => (await server.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")) === '1',
      'open',
    );
    const low = thrownBy(guard.run({ resource, fence: 9n }, (tx) => tx.query(put, [Buffer.from(resource, 'utf16le'), 'low'])));
    await waitingFor(1);
    go();
    await high;
    expect(await low).toMatchObject({ fence: 9n, mark: 10n });
    expect(await read(resource)).toBe('high');
  });

  it('does not wait for ever for a transaction that does not end, and the server ends one that is idle', async () => {
    const impatient = postgresGuard<pg.PoolClient>(pool, { lockTimeoutMs: 100 });
    const forgetful = postgresGuard<pg.PoolClient>(pool, { idleTimeoutMs: 3_000 });
    let go: () => void = () => {};
    const stopped = new Promise<void>((resolve) => {
      go = resolve;
    });
    const paused = thrownBy(
      forgetful.run({ resource: 'stuck', fence: 1n }, async (tx) => {
        await stopped;
        await tx.query(put, [Buffer.from('stuck', 'utf16le'), 'late']);
      }),
    );
    await until(
      async () => (await server.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")) === '1',
      'open',
    );
    const error = await thrownBy(impatient.raise({ resource: 'stuck', fence: 2n }));
    assert(error instanceof BackendUnavailableError, String(error));
    expect(error.cause).toMatchObject({ code: '55P03' });
    await until(
      () =>
        impatient.raise({ resource: 'stuck', fence: 2n }).then(
          () => true,
          () => false,
        ),
      'the server has ended it',
    );
    go();
    await paused;
    expect(await read('stuck')).toBeUndefined();
  });

  it('leaves the lock timeout of the caller as it was', async () => {
    const tx = await pool.connect();
    await tx.query("BEGIN; SET LOCAL lock_timeout = '77s'");
    await guard.check(tx, { resource: 'timeout', fence: 1n });
    expect((await tx.query('SHOW lock_timeout')).rows[0]).toEqual({ lock_timeout: '77s' });
    await tx.query('ROLLBACK');
    tx.release();
  });

  it('says that nothing was written where the work went on after an error and the server rolled back', async () => {
    const work = guard.run({ resource: 'swallowed', fence: 3n }, async (tx) => {
      await tx.query(put, [Buffer.from('swallowed', 'utf16le'), 'x']);
      await tx.query('SELECT 1/0').catch(() => {});
    });
    const error = await thrownBy(work);
    assert(error instanceof BackendUnavailableError, String(error));
    expect(error.message).toMatch(/rolled back/);
    expect(await read('swallowed')).toBeUndefined();
    expect(await guard.mark('swallowed')).toBeUndefined();
  });

  it('passes on what the server says of the work when it commits', async () => {
    await server.rows('CREATE TABLE IF NOT EXISTS parents (id int PRIMARY KEY)');
    await server.rows('CREATE TABLE IF NOT EXISTS children (parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)');
    const work = guard.run({ resource: 'deferred', fence: 3n }, (tx) => tx.query('INSERT INTO children VALUES (1)'));
    expect(await thrownBy(work)).toMatchObject({ code: '23503' });
    expect(await guard.mark('deferred')).toBeUndefined();
  });

  describe('through a network that fails', () => {
    let proxy: FaultProxy;
    let far: pg.Pool;
    let own: PostgresGuard<pg.PoolClient>;
    beforeAll(async () => {
      proxy = await FaultProxy.start(server.port);
      far = new pg.Pool({ host: '127.0.0.1', port: proxy.port, user: server.user, database: 'postgres', max: 2 });
      far.on('error', () => {});
      own = postgresGuard<pg.PoolClient>(far, { commandTimeoutMs: 2_000 });
    });
    afterAll(async () => {
      await proxy.close();
      await Promise.race([far.end(), new Promise((resolve) => setTimeout(resolve, 500))]);
    });

    it('says that the outcome is unknown when the answer to the commit is lost, and the same fence may go again', async () => {
      const write = { resource: 'lost', fence: 4n };
      const work = own.run(write, async (tx) => {
        await tx.query(put, [Buffer.from('lost', 'utf16le'), 'once']);
        void proxy.once('COMMIT', 'lose-reply');
      });
      expect(await thrownBy(work)).toBeInstanceOf(OutcomeUnknownError);
      await until(async () => (await read('lost')) === 'once', 'it was done all the same');
      await guard.run(write, (tx) => tx.query(put, [Buffer.from('lost', 'utf16le'), 'twice']));
      expect(await read('lost')).toBe('twice');
    });
  });

  describe('a column of one’s own table', () => {
    beforeAll(() => server.rows('CREATE TABLE public.accounts (id int PRIMARY KEY, balance int NOT NULL, fence bigint)'));

    it('tells a stale fence from a row that is missing', async () => {
      await server.rows('INSERT INTO public.accounts VALUES (1, 10, NULL)');
      const update = (id: number, fence: bigint, balance: number) =>
        updateFenced(pool, { table: 'public.accounts', key: { id }, set: { balance }, fence });
      expect(await update(1, 5n, 20)).toBe('updated');
      expect(await update(1, 5n, 30)).toBe('updated');
      expect(await thrownBy(update(1, 4n, 99))).toMatchObject({ fence: 4n, mark: 5n, resource: 'public.accounts id=1' });
      expect(await update(2, 6n, 1)).toBe('missing');
      expect(await server.rows('SELECT * FROM public.accounts')).toEqual([{ id: 1, balance: 30, fence: '5' }]);
      expect(await thrownBy(updateFenced(pool, { table: 'accounts', key: {}, set: { balance: 1 }, fence: 9n }))).toBeInstanceOf(
        InvalidArgumentError,
      );
    });

    it('never lowers the column, whatever the order in which writes come', async () => {
      await server.rows('INSERT INTO public.accounts VALUES (3, 0, NULL)');
      const fences = Array.from({ length: 40 }, (_, i) => BigInt(1 + ((i * 17) % 40)));
      await Promise.all(
        fences.map((fence) =>
          updateFenced(pool, { table: 'public.accounts', key: { id: 3 }, set: { balance: Number(fence) }, fence }).catch(
            (error) => assert(error instanceof StaleFenceError, String(error)),
          ),
        ),
      );
      expect(await server.rows('SELECT * FROM public.accounts WHERE id = 3')).toEqual([{ id: 3, balance: 40, fence: '40' }]);
    });
  });

  describe('a table that enforces it for everyone', () => {
    const account = (id: number | string) => ({ resource: `acc%ount:${id}`, fence: 5n });
    beforeAll(async () => {
      await guard.setup();
      await server.rows('CREATE TABLE guarded (id text PRIMARY KEY, balance int NOT NULL)');
      await server.rows(enforceSql({ table: 'guarded', resource: 'acc%ount:', column: 'id' }));
    });

    it('refuses a writer that knows nothing of fences, and says why', async () => {
      for (const text of ["INSERT INTO guarded VALUES ('1', 1)", 'TRUNCATE guarded']) {
        const error = (await thrownBy(server.rows(text))) as Error & { code: string; hint: string };
        expect(error.code).toBe('HF005');
        expect(error.message).toMatch(/guarded is guarded/);
        expect(error.hint).toBeTruthy();
      }
      expect(await server.value('SELECT count(*) FROM guarded')).toBe('0');
    });

    it('says why also to a role that has no right to the marks', async () => {
      await server.rows('CREATE ROLE stranger LOGIN');
      await server.rows(
        'GRANT USAGE ON SCHEMA public TO stranger; CREATE TABLE public.open (id text, balance int); GRANT ALL ON public.open TO stranger',
      );
      await server.rows(enforceSql({ table: 'public.open', resource: 'open' }));
      const stranger = server.client({ user: 'stranger' });
      await stranger.connect();
      expect(await thrownBy(stranger.query("INSERT INTO public.open VALUES ('1', 1)"))).toMatchObject({ code: 'HF005' });
      await stranger.end();
      await guard.run({ resource: 'open', fence: 1n }, (tx) => tx.query("INSERT INTO public.open VALUES ('1', 1)"));
    });

    it('takes what a guard has checked in the same transaction, for that resource alone', async () => {
      await guard.run(account(1), (tx) => tx.query("INSERT INTO guarded VALUES ('1', 1)"));
      await guard.run(account(1), (tx) => tx.query("UPDATE guarded SET balance = 2 WHERE id = '1'"));
      const other = guard.run(account(1), (tx) => tx.query("INSERT INTO guarded VALUES ('2', 1)"));
      expect(await thrownBy(other)).toMatchObject({ code: 'HF005' });
      // Moving a row takes it from one resource to another.
      const moved = guard.run(account(1), (tx) => tx.query("UPDATE guarded SET id = '3' WHERE id = '1'"));
      expect(await thrownBy(moved)).toMatchObject({ code: 'HF005' });
      expect(await thrownBy(server.rows('DELETE FROM guarded'))).toMatchObject({ code: 'HF005' });
      for (const odd of ['é', '\u{1f512}', '\n', '%', "'"]) {
        await guard.run(account(odd), (tx) => tx.query('INSERT INTO guarded VALUES ($1, 1)', [odd]));
      }
    });

    it('is not taken in by a check of the same connection in another transaction', async () => {
      const tx = await pool.connect();
      await tx.query('BEGIN');
      await guard.check(tx, account(1));
      await tx.query('COMMIT');
      expect(await thrownBy(tx.query("UPDATE guarded SET balance = 9 WHERE id = '1'"))).toMatchObject({ code: 'HF005' });
      // Nor by one that was rolled back.
      await tx.query('BEGIN; SAVEPOINT a');
      await guard.check(tx, account(1));
      await tx.query('ROLLBACK TO SAVEPOINT a');
      expect(await thrownBy(tx.query("UPDATE guarded SET balance = 9 WHERE id = '1'"))).toMatchObject({ code: 'HF005' });
      await tx.query('ROLLBACK');
      tx.release();
    });

    it('runs nothing of a table’s owner with the rights of the owner of the marks', async () => {
      await server.rows(
        'CREATE ROLE mallory LOGIN; CREATE SCHEMA AUTHORIZATION mallory; GRANT USAGE ON SCHEMA holdfast TO mallory',
      );
      const mallory = server.client({ user: 'mallory' });
      await mallory.connect();
      try {
        await mallory.query('CREATE TABLE mallory.ran (who text)');
        await mallory.query("CREATE TYPE mallory.odd AS ENUM ('x')");
        for (const [to, value] of Object.entries({ json: '"x"', text: 'x' })) {
          await mallory.query(`CREATE FUNCTION mallory.to_${to}(mallory.odd) RETURNS ${to} LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO mallory.ran VALUES (current_user); RETURN '${value}'; END $$`);
          await mallory.query(`CREATE CAST (mallory.odd AS ${to}) WITH FUNCTION mallory.to_${to}(mallory.odd) AS IMPLICIT`);
        }
        await mallory.query('CREATE TABLE mallory.bait (id mallory.odd)');
        await mallory.query(
          "CREATE TRIGGER t AFTER INSERT ON mallory.bait FOR EACH ROW EXECUTE FUNCTION holdfast.v1_enforce('bait:', 'id')",
        );
        await mallory.query('BEGIN');
        await mallory.query("SELECT holdfast.check_fence('bait:x', 1)");
        await mallory.query("INSERT INTO mallory.bait VALUES ('x')");
        await mallory.query('COMMIT');
        expect((await mallory.query('SELECT * FROM mallory.ran')).rows).toEqual([]);
      } finally {
        await mallory.end();
      }
    });

    it('takes a check within a savepoint', async () => {
      const tx = await pool.connect();
      await tx.query('BEGIN; SAVEPOINT a');
      await guard.check(tx, account(1));
      await tx.query('RELEASE SAVEPOINT a');
      await tx.query("UPDATE guarded SET balance = 3 WHERE id = '1'");
      await tx.query('COMMIT');
      tx.release();
    });

    it('lets other languages check, too', async () => {
      const tx = await pool.connect();
      await tx.query('BEGIN');
      await tx.query("SELECT holdfast.check_fence('acc%ount:1', 6)");
      await tx.query("UPDATE guarded SET balance = 4 WHERE id = '1'");
      await tx.query('COMMIT');
      await tx.query('BEGIN');
      expect(await thrownBy(tx.query("SELECT holdfast.check_fence('acc%ount:1', 5)"))).toMatchObject({ code: 'HF004' });
      await tx.query('ROLLBACK');
      tx.release();
    });
  });

  it('needs no rights but the use of the schema, and gives none to lower a mark', async () => {
    await server.rows('CREATE ROLE app LOGIN');
    const poor = new pg.Pool({ host: '127.0.0.1', port: server.port, user: 'app', database: 'postgres', max: 2 });
    try {
      const own = postgresGuard<pg.PoolClient>(poor, { schema: 'marks_of_app' });
      const error = await thrownBy(own.raise({ resource: 'a', fence: 5n }));
      assert(error instanceof BackendUnavailableError, String(error));
      expect(error.message).toMatch(/setupSql\(\)/);
      await server.rows(setupSql({ schema: 'marks_of_app', role: 'app' }));
      await server.rows(setupSql({ schema: 'marks_of_app', role: 'app' }));
      await own.raise({ resource: 'a', fence: 5n });
      expect(await thrownBy(own.run({ resource: 'a', fence: 4n }, () => {}))).toBeInstanceOf(StaleFenceError);
      expect(await thrownBy(poor.query('UPDATE marks_of_app.marks SET fence = 1'))).toMatchObject({ code: '42501' });
    } finally {
      await poor.end();
    }
  });
});
