import type pg from 'pg';
import postgresJs from 'postgres';
import { afterEach, describe, expect, it } from 'vitest';
import { acquireIn } from '../../src/backends/postgres/index.js';
import { ask, heldOf } from '../support/asks.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { awakeMs, lossOf, thrownBy, until } from '../support/waits.js';
import { Scene } from './scene.js';

const levels = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'];

describe.skipIf(postgresIsMissing)('acquireIn', () => {
  const scene = new Scene();
  const open: pg.Client[] = [];
  afterEach(async () => {
    for (const client of open.splice(0)) await client.end();
  });

  const transaction = async (level = 'READ COMMITTED'): Promise<pg.Client> => {
    const client = scene.server.client();
    open.push(client);
    await client.connect();
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    return client;
  };
  /** The tables are there, and the name has been used. */
  const used = async (name: string): Promise<bigint> => {
    const lease = await scene.holder().acquire(name);
    const { fence } = lease;
    await lease.release();
    return fence;
  };

  describe.each(levels)('in a transaction that is %s', (level) => {
    it('has a free name until the commit; others are refused meanwhile, at once', async () => {
      const before = await used('job');
      const tx = await transaction(level);
      const taken = await acquireIn(tx, 'job');
      expect(taken?.fence).toBeGreaterThan(before);
      const other = scene.holder();
      const sinceMs = awakeMs();
      await expect(other.acquire('job', { waitMs: 0 })).rejects.toMatchObject({ code: 'BUSY' });
      expect(awakeMs() - sinceMs).toBeLessThan(1_000);
      const waiting = other.acquire('job');
      await tx.query('COMMIT');
      const next = await waiting;
      expect(next.fence).toBeGreaterThan(taken?.fence ?? 0n);
      await next.release();
    });

    it('answers undefined for a name that is held, or that others wait for, and keeps nothing of it', async () => {
      const holder = scene.holder();
      const lease = await holder.acquire('job');
      const waiter = scene.holder();
      const waiting = waiter.acquire('job');
      await until(async () => (await holder.query()).pending.length === 1, 'somebody waits');
      const tx = await transaction(level);
      expect(await acquireIn(tx, 'job')).toBeUndefined();
      // The transaction is open, and in nobody's way.
      expect(await lease.release()).toBe('released');
      expect(await (await waiting).release()).toBe('released');
      await tx.query('ROLLBACK');
    });

    it('checks a lease, and keeps its name from others until the commit, also if it runs out', async () => {
      await used('job');
      const store = scene.backend();
      // It must still be there when it is checked.
      const held = ask('job', { ttlMs: 3_000 });
      const answer = await store.acquire(held);
      if (answer.outcome !== 'granted') throw new Error('it is free');
      const lease = { name: 'job', fence: answer.fences.first } as never;
      const endsAt = await scene.server.value('SELECT expires FROM holdfast.leases');
      const tx = await transaction(level);
      expect(await acquireIn(tx, lease)).toEqual({ fence: answer.fences.first });
      const next = scene.holder().acquire('job');
      let isTaken = false;
      void next.then(() => {
        isTaken = true;
      });
      await until(async () => (await scene.server.value('SELECT clock_timestamp() > $1', [endsAt])) === true, 'it has run out');
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(isTaken).toBe(false);
      await tx.query('COMMIT');
      await (await next).release();
    });

    it('refuses a lease that is over, and one that was passed on', async () => {
      const tx0 = await transaction(level);
      // A snapshot from before everything.
      await tx0.query('SELECT 1');
      const stale = { name: 'job', fence: await used('job') } as never;
      const error = await thrownBy(acquireIn(await transaction(level), stale));
      expect(error).toMatchObject({ code: 'LEASE_LOST', loss: 'forgotten' });
      const current = await scene.holder().acquire('job');
      expect(await thrownBy(acquireIn(await transaction(level), stale))).toMatchObject({ code: 'LEASE_LOST' });
      await current.release();
    });
  });

  it('in a snapshot in which the lease was still ours: a serialization failure, never a yes', async () => {
    const store = scene.backend();
    const held = ask('job');
    const answer = await store.acquire(held);
    if (answer.outcome !== 'granted') throw new Error('it is free');
    const tx = await transaction('REPEATABLE READ');
    await tx.query('SELECT 1');
    await store.release(heldOf(held));
    const next = await scene.holder().acquire('job');
    expect(await thrownBy(acquireIn(tx, { name: 'job', fence: answer.fences.first } as never))).toMatchObject({ code: '40001' });
    await next.release();
  });

  it('lets renewals go on beside a check, and the holder release', async () => {
    const locks = scene.holder({ ttlMs: 3_000 });
    const lease = await locks.acquire('job');
    const tx = await transaction();
    await acquireIn(tx, lease);
    let renewed = 0;
    locks.on('renewed', () => {
      renewed += 1;
    });
    await until(() => renewed > 3, 'renewals');
    expect(await lease.release()).toBe('released');
    await tx.query('COMMIT');
  });

  it('gives everything back with a rollback, and with the end of its session', async () => {
    await used('job');
    const tx = await transaction();
    expect(await acquireIn(tx, 'job')).toBeDefined();
    await tx.query('ROLLBACK');
    await (await scene.holder().acquire('job', { waitMs: 2_000 })).release();
    const doomed = scene.server.client();
    doomed.on('error', () => {});
    await doomed.connect();
    await doomed.query('BEGIN');
    expect(await acquireIn(doomed, 'job')).toBeDefined();
    await scene.server.terminateOthers("state = 'idle in transaction'");
    await (await scene.holder().acquire('job', { waitMs: 2_000 })).release();
  });

  it('of two transactions gives a name to one; the other may wait', async () => {
    await used('job');
    const [one, other] = [await transaction(), await transaction()];
    expect(await acquireIn(one, 'job')).toBeDefined();
    expect(await acquireIn(other, 'job')).toBeUndefined();
    const waiting = acquireIn(other, 'job', { waitMs: 5_000 });
    await one.query('COMMIT');
    expect(await waiting).toBeDefined();
    await other.query('COMMIT');
  });

  it('leaves the settings of the transaction as they were', async () => {
    await used('job');
    const tx = await transaction();
    await tx.query("SET LOCAL lock_timeout = '1234ms'");
    await acquireIn(tx, 'job');
    expect((await tx.query('SHOW lock_timeout')).rows[0]).toEqual({ lock_timeout: '1234ms' });
    expect(await acquireIn(await transaction(), 'job')).toBeUndefined();
    await tx.query('COMMIT');
  });

  it('takes the transaction of postgres.js', async () => {
    await used('job');
    const sql = postgresJs(scene.server.url, { max: 1, onnotice: () => {} });
    const fence = await sql.begin(async (tx) => (await acquireIn(tx, 'job'))?.fence);
    expect(typeof fence).toBe('bigint');
    await sql.end();
  });

  it('says so outside of a transaction, without the tables, and with bad arguments', async () => {
    const client = scene.server.client();
    open.push(client);
    await client.connect();
    expect(await thrownBy(acquireIn(client, 'job'))).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true });
    await used('job');
    expect(await thrownBy(acquireIn(client, 'job'))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/BEGIN/),
    });
    expect(await thrownBy(acquireIn(client, 'job', { waitMs: -1 }))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await thrownBy(acquireIn({} as never, 'job'))).toMatchObject({ code: 'NOT_SUPPORTED' });
  });

  it('keeps the name from others also when the sweep has taken its row', async () => {
    const store = scene.backend();
    const held = ask('job');
    const answer = await store.acquire(held);
    if (answer.outcome !== 'granted') throw new Error('it is free');
    await scene.server.rows(
      "UPDATE holdfast.leases SET since = since - interval '3 days', fence = fence - 86400000000, first = fence - 86400000000",
    );
    const tx = await transaction();
    await acquireIn(tx, { name: 'job', fence: answer.fences.first - 86_400_000_000n } as never);
    await scene.server.rows("UPDATE holdfast.leases SET expires = expires - interval '2 minutes'");
    await scene.server.rows("UPDATE holdfast.meta SET swept = swept - interval '2 hours'");
    expect(await scene.server.value('SELECT holdfast.v2_sweep(172800000, 3600000, 1000)')).toBe('1');
    const next = ask('job');
    expect(await store.acquire(next)).toMatchObject({ outcome: 'refused', because: 'held' });
    await tx.query('COMMIT');
    expect(await store.acquire(next)).toMatchObject({ outcome: 'granted' });
    expect(await store.release(heldOf(next))).toBe('released');
  });

  it('keeps the queue in order behind it, however long it takes', async () => {
    const store = scene.backend();
    const held = ask('job');
    const answer = await store.acquire(held);
    if (answer.outcome !== 'granted') throw new Error('it is free');
    const tx = await transaction();
    await acquireIn(tx, { name: 'job', fence: answer.fences.first } as never);
    await store.release(heldOf(held));
    const [one, two] = [ask('job', { enqueue: true }), ask('job', { enqueue: true })];
    expect(await store.acquire(one)).toMatchObject({ outcome: 'refused', ahead: 0 });
    expect(await store.acquire(two)).toMatchObject({ outcome: 'refused', ahead: 1 });
    // Longer than the time in which whoever is next has to come.
    await scene.server.rows("UPDATE holdfast.leases SET free_since = free_since - interval '10 seconds'");
    expect(await store.acquire(one)).toMatchObject({ outcome: 'refused' });
    await tx.query('COMMIT');
    expect(await store.acquire(two)).toMatchObject({ outcome: 'refused', because: 'queued', ahead: 1 });
    expect(await store.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await store.release(heldOf(one))).toBe('released');
    expect(await store.acquire(two)).toMatchObject({ outcome: 'granted' });
    expect(await store.release(heldOf(two))).toBe('released');
  });

  it('and a steal wait for each other in one order', async () => {
    const store = scene.backend();
    const held = ask('job');
    const answer = await store.acquire(held);
    if (answer.outcome !== 'granted') throw new Error('it is free');
    const theirs = await transaction();
    await theirs.query('SELECT FROM holdfast.leases FOR UPDATE');
    const waiting = async () =>
      Number(
        await scene.server.value(
          "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%holdfast%' AND wait_event_type = 'Lock'",
        ),
      );
    const heir = ask('job');
    const stolen = store.revoke(held.name, { kind: 'stolen', reason: 'test', node: held.node, heir });
    await until(async () => (await waiting()) === 1, 'the thief waits for the row');
    const tx = await transaction('REPEATABLE READ');
    const checked = thrownBy(acquireIn(tx, { name: 'job', fence: answer.fences.first } as never));
    await until(async () => (await waiting()) === 2, 'the transaction waits, too');
    await theirs.query('COMMIT');
    expect(await stolen).toMatchObject({ grant: { outcome: 'granted' } });
    expect(['40001', 'LEASE_LOST']).toContain(((await checked) as { code: string }).code);
    await tx.query('ROLLBACK');
    expect(await store.release(heldOf(heir))).toBe('released');
  });

  it('does not keep a lost lease from being told', async () => {
    const locks = scene.holder({ ttlMs: 500 });
    const lease = await locks.acquire('job');
    const lost = lossOf(locks);
    await scene.server.rows("UPDATE holdfast.leases SET expires = '-infinity'");
    await lost;
    expect(await thrownBy(acquireIn(await transaction(), lease))).toMatchObject({ code: 'LEASE_LOST' });
  });
});
