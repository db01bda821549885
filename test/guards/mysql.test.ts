import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendUnavailableError, InvalidArgumentError, OutcomeUnknownError, StaleFenceError } from '../../src/core/errors.js';
import { enforceSql, type MysqlGuard, mysqlGuard, updateFenced } from '../../src/guards/mysql/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { MariaDBServer, mariadbIsMissing } from '../support/mariadb-server.js';
import { thrownBy, until } from '../support/waits.js';
import { guardContract } from './contract.js';

describe.skipIf(mariadbIsMissing)('guard of MariaDB', () => {
  let server: MariaDBServer;
  let pool: mysql.Pool;
  let guard: MysqlGuard<mysql.PoolConnection>;
  const put = 'INSERT INTO things VALUES (?, ?) ON DUPLICATE KEY UPDATE value = VALUES(value)';
  const keyOf = (resource: string) => Buffer.from(resource, 'utf16le');
  const read = async (resource: string) =>
    (await server.value('SELECT value FROM things WHERE resource = ?', [keyOf(resource)])) as string | undefined;
  /** The server refreshes this view only when it was not asked for a tenth of a second. */
  const isWaiting = () =>
    until(async () => {
      await sleep(150);
      return Number(await server.value("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")) > 0;
    }, 'one waits for a lock');
  const gate = () => {
    let open: () => void = () => {};
    const passed = new Promise<void>((resolve) => {
      open = resolve;
    });
    return { open, passed };
  };

  beforeAll(async () => {
    server = await MariaDBServer.start();
    pool = server.pool();
    guard = mysqlGuard<mysql.PoolConnection>(pool);
    await server.rows('CREATE TABLE things (resource VARBINARY(600) PRIMARY KEY, value TEXT NOT NULL) ENGINE = InnoDB');
  });
  afterAll(async () => {
    await pool?.end();
    await server?.stop();
  });

  guardContract<mysql.PoolConnection>(() => ({
    guard,
    write: async (tx, resource, value) => void (await tx.query(put, [keyOf(resource), value])),
    read,
  }));

  it.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const)(
    'has a write that waits behind a higher fence refused at %s, also with an older snapshot',
    async (isolation) => {
      const own = mysqlGuard<mysql.PoolConnection>(pool, { isolation });
      const resource = isolation;
      await own.run({ resource, fence: 5n }, (tx) => tx.query(put, [keyOf(resource), 'five']));
      const { open, passed } = gate();
      const begun = gate();
      const high = own.run({ resource, fence: 10n }, async (tx) => {
        begun.open();
        await passed;
        await tx.query(put, [keyOf(resource), 'high']);
      });
      await begun.passed;
      const low = thrownBy(own.run({ resource, fence: 9n }, (tx) => tx.query(put, [keyOf(resource), 'low'])));
      await isWaiting();
      open();
      await high;
      expect(await low).toMatchObject({ fence: 9n, mark: 10n });
      expect(await read(resource)).toBe('high');
      // A transaction of the caller's own that has looked before.
      const tx = await pool.getConnection();
      try {
        await tx.query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`);
        await tx.query('START TRANSACTION');
        await tx.query('SELECT * FROM holdfast_marks WHERE resource = ?', ['nothing']);
        await own.raise({ resource, fence: 12n });
        expect(await thrownBy(own.check(tx, { resource, fence: 11n }))).toMatchObject({ fence: 11n, mark: 12n });
        await tx.query('ROLLBACK');
        await tx.query('START TRANSACTION');
        await own.check(tx, { resource, fence: 12n });
        await tx.query('COMMIT');
      } finally {
        tx.release();
      }
    },
  );

  describe('where sessions do not commit by themselves', () => {
    let manual: mysql.Pool;
    beforeAll(() => {
      manual = server.pool({ connectionLimit: 1 });
      manual.pool.on('connection', (connection) => connection.query("SET autocommit = 0, tx_isolation = 'SERIALIZABLE'"));
    });
    afterAll(() => manual.end());

    it('reads the mark as it stands, and leaves no lock behind', async () => {
      const own = mysqlGuard<mysql.PoolConnection>(manual);
      expect(await own.raise({ resource: 'manual', fence: 5n })).toBe(5n);
      await guard.raise({ resource: 'manual', fence: 6n });
      expect(await own.mark('manual')).toBe(6n);
      await guard.raise({ resource: 'manual', fence: 7n });
      expect(await own.mark('manual')).toBe(7n);
    });

    it.each([undefined, 'READ COMMITTED'] as const)('writes all or nothing, isolation %s', async (isolation) => {
      const own = mysqlGuard<mysql.PoolConnection>(manual, isolation === undefined ? {} : { isolation });
      const resource = `manual ${isolation}`;
      await manual.query('SELECT COUNT(*) FROM things WHERE value = 1');
      await own.run({ resource, fence: 5n }, (tx) => tx.query(put, [keyOf(resource), 'five']));
      expect(await read(resource)).toBe('five');
      const work = own.run({ resource, fence: 6n }, async (tx) => {
        await tx.query('CREATE TABLE IF NOT EXISTS made_in_between (id INT)');
        await tx.query(put, [keyOf(resource), 'unprotected']);
      });
      expect(await thrownBy(work)).toBeInstanceOf(OutcomeUnknownError);
      expect(await read(resource)).toBe('five');
    });
  });

  it('says so where the work ended its transaction and began another', async () => {
    const work = guard.run({ resource: 'own begin', fence: 1n }, async (tx) => {
      await tx.query('COMMIT');
      await tx.query('START TRANSACTION');
      await tx.query(put, [keyOf('own begin'), 'unprotected']);
    });
    expect(await thrownBy(work)).toBeInstanceOf(OutcomeUnknownError);
    expect(await read('own begin')).toBeUndefined();
  });

  it('refuses to check where there is no transaction, and says so', async () => {
    expect(await thrownBy(guard.check(pool as never, { resource: 'none', fence: 1n }))).toBeInstanceOf(InvalidArgumentError);
  });

  it('says so where the work ended its transaction in silence', async () => {
    const work = guard.run({ resource: 'ddl', fence: 1n }, async (tx) => {
      await tx.query('CREATE TABLE IF NOT EXISTS made_in_between (id INT)');
      await tx.query(put, [keyOf('ddl'), 'unprotected']);
    });
    expect(await thrownBy(work)).toBeInstanceOf(OutcomeUnknownError);
  });

  it('has the server end a session that stopped in the middle', async () => {
    const forgetful = mysqlGuard<mysql.PoolConnection>(pool, { idleTimeoutMs: 1_000 });
    const { open, passed } = gate();
    const begun = gate();
    const paused = thrownBy(
      forgetful.run({ resource: 'stuck', fence: 1n }, async (tx) => {
        begun.open();
        await passed;
        await tx.query(put, [keyOf('stuck'), 'late']);
      }),
    );
    await begun.passed;
    expect(await guard.raise({ resource: 'stuck', fence: 2n })).toBe(2n);
    open();
    await paused;
    expect(await read('stuck')).toBeUndefined();
  });

  it('gives connections back as they were', async () => {
    const one = server.pool({ connectionLimit: 1 });
    const before = (await one.query('SELECT @@SESSION.wait_timeout AS w, @holdfast_session AS s'))[0];
    await mysqlGuard(one).run({ resource: 'as it was', fence: 1n }, () => {});
    await thrownBy(mysqlGuard(one).run({ resource: 'as it was', fence: 2n }, () => Promise.reject(new Error('x'))));
    expect((await one.query('SELECT @@SESSION.wait_timeout AS w, @holdfast_session AS s'))[0]).toEqual(before);
    await one.end();
  });

  it('says that the outcome is unknown when the answer to the commit is lost', async () => {
    const proxy = await FaultProxy.start(server.port);
    const far = server.pool({ uri: undefined as never, host: '127.0.0.1', port: proxy.port, user: 'root', database: 'things' });
    const own = mysqlGuard<mysql.PoolConnection>(far, { commandTimeoutMs: 2_000 });
    const write = { resource: 'lost', fence: 4n };
    const work = own.run(write, async (tx) => {
      await tx.query(put, [keyOf('lost'), 'once']);
      void proxy.once('COMMIT', 'lose-reply');
    });
    expect(await thrownBy(work)).toBeInstanceOf(OutcomeUnknownError);
    await until(async () => (await read('lost')) === 'once', 'it was done all the same');
    proxy.silence();
    const dead = server.pool({ uri: undefined as never, host: '127.0.0.1', port: proxy.port, user: 'root', database: 'things' });
    const error = await thrownBy(mysqlGuard(dead, { commandTimeoutMs: 100 }).run(write, () => {}));
    expect(error).toBeInstanceOf(BackendUnavailableError);
    await proxy.close();
    await Promise.race([
      Promise.all([far.end(), dead.end()]).catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, 500)),
    ]);
  });

  describe('a column of one’s own table', () => {
    beforeAll(() =>
      server.rows('CREATE TABLE accounts (id INT PRIMARY KEY, balance INT NOT NULL, fence BIGINT) ENGINE = InnoDB'),
    );

    it('tells a stale fence from a row that is missing, whatever the client counts', async () => {
      await server.rows('INSERT INTO accounts VALUES (1, 10, NULL)');
      const changed = server.pool({ flags: ['-FOUND_ROWS'] });
      for (const client of [pool, changed]) {
        const update = (id: number, fence: bigint, balance: number) =>
          updateFenced(client, { table: 'accounts', key: { id }, set: { balance }, fence });
        expect(await update(1, 5n, 20)).toBe('updated');
        expect(await update(1, 5n, 20)).toBe('updated');
        expect(await thrownBy(update(1, 4n, 99))).toMatchObject({ fence: 4n, mark: 5n });
        expect(await update(2, 6n, 1)).toBe('missing');
      }
      expect(await server.rows('SELECT id, balance, fence FROM accounts')).toEqual([{ id: 1, balance: 20, fence: 5 }]);
      await changed.end();
    });
  });

  describe('a table that enforces it for everyone', () => {
    const account = (id: string) => ({ resource: `acc%ount:${id}`, fence: 5n });
    beforeAll(async () => {
      await guard.setup();
      await server.rows(
        'CREATE TABLE guarded (id VARCHAR(20) CHARACTER SET utf8mb4 PRIMARY KEY, balance INT NOT NULL) ENGINE = InnoDB',
      );
      for (const statement of enforceSql({ table: 'guarded', resource: 'acc%ount:', column: 'id' })) await server.rows(statement);
    });

    it('refuses a writer that knows nothing of fences, and says why', async () => {
      const error = (await thrownBy(server.rows("INSERT INTO guarded VALUES ('1', 1)"))) as Error & { sqlState: string };
      expect(error.sqlState).toBe('45000');
      expect(error.message).toMatch(/guarded is guarded/);
      expect(await server.value('SELECT COUNT(*) FROM guarded')).toBe(0);
    });

    it('takes what a guard has checked, for that resource alone', async () => {
      await guard.run(account('1'), (tx) => tx.query("INSERT INTO guarded VALUES ('1', 1)"));
      await guard.run(account('1'), (tx) => tx.query("UPDATE guarded SET balance = 2 WHERE id = '1'"));
      for (const sql of ["INSERT INTO guarded VALUES ('2', 1)", "UPDATE guarded SET id = '3' WHERE id = '1'"]) {
        expect(await thrownBy(guard.run(account('1'), (tx) => tx.query(sql)))).toMatchObject({ sqlState: '45000' });
      }
      expect(await thrownBy(server.rows('DELETE FROM guarded'))).toMatchObject({ sqlState: '45000' });
      for (const odd of ['é', '\u{1f512}', '\n', '%', "'"]) {
        await guard.run(account(odd), (tx) => tx.query('INSERT INTO guarded VALUES (?, 1)', [odd]));
      }
      // Several resources in one transaction of the caller.
      const tx = await pool.getConnection();
      await tx.query('START TRANSACTION');
      await guard.check(tx, account('1'));
      await guard.check(tx, account('2'));
      await tx.query("UPDATE guarded SET id = '2' WHERE id = '1'");
      await tx.query('ROLLBACK');
      tx.destroy();
    });

    it('does not take a raise for a check, also on the connection that has checked', async () => {
      const one = server.pool({ connectionLimit: 1 });
      const own = mysqlGuard(one);
      const tx = await one.getConnection();
      await tx.query('START TRANSACTION');
      await own.check(tx, account('raised'));
      await tx.query("INSERT INTO guarded VALUES ('raised', 1)");
      await tx.query('COMMIT');
      tx.release();
      await own.raise({ ...account('raised'), fence: 6n });
      const late = one.query("UPDATE guarded SET balance = 9 WHERE id = 'raised'");
      expect(await thrownBy(late)).toMatchObject({ sqlState: '45000' });
      await one.end();
    });

    it('refuses a session whose check is no longer the last one, also with an older snapshot', async () => {
      const tx = await pool.getConnection();
      await tx.query('START TRANSACTION');
      await guard.check(tx, account('1'));
      await tx.query('COMMIT');
      await tx.query('START TRANSACTION');
      await tx.query('SELECT * FROM guarded');
      await guard.raise({ ...account('1'), fence: 6n });
      expect(await thrownBy(tx.query("UPDATE guarded SET balance = 9 WHERE id = '1'"))).toMatchObject({ sqlState: '45000' });
      await tx.query('ROLLBACK');
      tx.destroy();
    });
  });

  it('has nothing to say against errors of the work', async () => {
    const error = await thrownBy(guard.run({ resource: 'syntax', fence: 1n }, (tx) => tx.query('SELEKT 1')));
    expect(error).toMatchObject({ errno: 1064 });
    assert(!(error instanceof StaleFenceError));
  });
});
