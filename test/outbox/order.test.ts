import { describe, expect, it } from 'vitest';
import { BackendUnavailableError, InvalidArgumentError } from '../../src/core/errors.js';
import { outbox, outboxDefinitions } from '../../src/outbox/index.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { thrownBy, until } from '../support/waits.js';
import { Collector, event, Scene, Transaction } from './support/scene.js';

describe.skipIf(postgresIsMissing)('the order of commits', () => {
  const scene = new Scene();
  const box = () => outbox(scene.database());

  it.each([undefined, 'other'])('what was written first and commits last is not skipped (key %s)', async (key) => {
    const [early, late, collector] = [scene.transaction(), scene.transaction(), new Collector()];
    await early.begin();
    await box().write(early.client, event(key, 'written first'));
    await late.begin();
    await box().write(late.client, event('late', 'committed first'));
    await late.end('COMMIT');
    scene.relay(collector);
    await until(() => collector.got.length === 1, 'the one that committed is published');
    // The relay has looked beyond the place of the other one by now.
    await scene.write(event('late', 'after'));
    await until(() => collector.got.length === 2, 'and another one');
    await early.end('COMMIT');
    await until(() => collector.got.length === 3, 'the one that was written first is published');
    expect(collector.payloads()).toEqual(['committed first', 'after', 'written first']);
  });

  it('of one key, who began first and wrote other things first comes last if it commits last', async () => {
    const [old, young, collector] = [scene.transaction(), scene.transaction(), new Collector()];
    // The older transaction has an id, a snapshot, and events of another key.
    await old.begin();
    await box().write(old.client, event('a', 'old a'));
    await young.begin();
    await box().write(young.client, event('k', 'young'));
    await young.end('COMMIT');
    await box().write(old.client, event('k', 'old'));
    await old.end('COMMIT');
    scene.relay(collector);
    await scene.drained();
    expect(collector.payloads('k')).toEqual(['young', 'old']);
    const [first, second] = collector.got.filter(({ key }) => key === 'k');
    expect(second?.after).toBe(first?.sequence);
    expect(first?.after).toBe(0n);
  });

  it('of one key, who writes second waits until the first has committed, and comes behind it', async () => {
    const [first, second, collector] = [scene.transaction(), scene.transaction(), new Collector()];
    scene.relay(collector);
    await first.begin();
    await box().write(first.client, event('k', 1));
    await second.begin();
    const waiting = box().write(second.client, event('k', 2));
    await until(
      async () => (await scene.server.value("SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) === 1,
      'it waits',
    );
    // Others need not.
    await scene.write(event('other', 0));
    await until(() => collector.got.length === 1, 'another key is published meanwhile');
    await first.end('COMMIT');
    await waiting;
    await second.end('COMMIT');
    await scene.drained();
    expect(collector.payloads('k')).toEqual([1, 2]);
  });

  it('a rollback leaves nothing, and no hole', async () => {
    const [tx, collector] = [scene.transaction(), new Collector()];
    await scene.write(event('k', 1));
    await tx.begin();
    await box().write(tx.client, event('k', 'never'));
    await tx.end('ROLLBACK');
    await scene.write(event('k', 2));
    scene.relay(collector);
    await scene.drained();
    expect(collector.payloads()).toEqual([1, 2]);
    expect(collector.got[1]?.after).toBe(collector.got[0]?.sequence);
  });

  it('above read committed, a newer event of the key is a serialization failure', async () => {
    const tx = scene.transaction();
    await scene.write(event('k', 0));
    await tx.begin('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await tx.client.query('SELECT 1');
    await scene.write(event('k', 1));
    expect(await thrownBy(box().write(tx.client, event('k', 2)))).toMatchObject({ code: '40001' });
    await tx.end('ROLLBACK');
  });
});

describe.skipIf(postgresIsMissing)('writing', () => {
  const scene = new Scene();
  const box = () => outbox(scene.database());

  it('keeps every string and every JSON value', async () => {
    const collector = new Collector();
    const texts = ['', 'ä', '\u0000', '\ud800', '%', "'\\", '😀', '\u2028', '-'];
    const events = texts.map((text) => ({
      key: text,
      type: `t${text}`,
      payload: { [text]: [text, null, 1.5, true] },
      headers: { [`h${text}`]: text },
    }));
    const written = await scene.write(...events);
    scene.relay(collector);
    await scene.drained();
    for (const [index, one] of events.entries()) {
      expect(collector.got.find(({ id }) => id === written[index]?.id)).toMatchObject({
        ...one,
        sequence: written[index]?.sequence,
      });
    }
  });

  it('answers in the order in which it was given, and several of one key stay in it', async () => {
    const collector = new Collector();
    const written = await scene.write(event('b', 1), event(undefined, 2), event('a', 3), event('b', 4), event('a', 5));
    scene.relay(collector);
    await scene.drained();
    for (const [index, payload] of [1, 2, 3, 4, 5].entries()) {
      expect(collector.got.find(({ id }) => id === written[index]?.id)?.payload).toBe(payload);
    }
    expect(collector.payloads('a')).toEqual([3, 5]);
    expect(collector.payloads('b')).toEqual([1, 4]);
  });

  it('is refused outside of a transaction, on a pool, and for what is no event', async () => {
    await scene.write(event('k', 1));
    const pool = scene.pool();
    expect(await thrownBy(box().write(pool, event('k', 2)))).toBeInstanceOf(InvalidArgumentError);
    const tx = scene.transaction();
    await tx.begin();
    for (const bad of [
      { type: '', payload: 1 },
      { type: 'x' },
      { type: 'x', payload: 1n },
      { type: 'x', payload: 'x'.repeat(300_000) },
      { type: 'x', payload: 1, key: 7 },
      { type: 'x', payload: 1, headers: { a: 1 } },
    ]) {
      expect(await thrownBy(box().write(tx.client, bad as never))).toBeInstanceOf(InvalidArgumentError);
    }
    // None of them has broken the transaction.
    await box().write(tx.client, event('k', 3));
    await tx.end('COMMIT');
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_events')).toBe(2);
  });

  it('many processes may be the first, and a rollback of the first takes no table along', async () => {
    const all = Array.from({ length: 12 }, async (_, n) => {
      const tx = scene.transaction();
      await tx.begin();
      await box().write(tx.client, event(`k${n}`, n));
      await tx.end(n % 2 === 0 ? 'ROLLBACK' : 'COMMIT');
    });
    await Promise.all(all);
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_events')).toBe(6);
  });

  it('creates the tables also for a session that remembers that there were none', async () => {
    const tx = scene.transaction();
    await tx.client.connect();
    for (let times = 0; times < 3; times++) {
      await tx.client.query('BEGIN');
      await box().write(tx.client, event('k', times));
      await tx.client.query('COMMIT');
      if (times < 2) await scene.server.rows('DROP SCHEMA holdfast CASCADE');
    }
    await tx.client.end();
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_events')).toBe(1);
  });

  it('a role that may create nothing is told what to do, and that is enough', async () => {
    const { postgresDatabase, setupSql } = await import('../../src/backends/postgres/index.js');
    await scene.server.rows('CREATE ROLE app LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    const pool = scene.pool(4, scene.server.url.replace('holdfast@', 'app@'));
    const collector = new Collector();
    const tx = new Transaction(scene.server.client({ user: 'app' }));
    await tx.begin();
    const refused = await thrownBy(outbox(postgresDatabase(pool)).write(tx.client, event('k', 1)));
    expect(refused).toBeInstanceOf(BackendUnavailableError);
    expect((refused as Error).message).toContain(
      "setupSql({ schema: 'holdfast', role: 'THE_ROLE', definitions: outboxDefinitions })",
    );
    await tx.client.query('ROLLBACK');
    await scene.server.rows(setupSql({ role: 'app', definitions: outboxDefinitions }));
    await tx.client.query('BEGIN');
    await outbox(postgresDatabase(pool)).write(tx.client, event('k', 1));
    await tx.end('COMMIT');
    const started = scene.relay(collector, {}, postgresDatabase(pool));
    await scene.drained();
    expect(collector.payloads()).toEqual([1]);
    await started.stop();
    await scene.server.rows('DROP SCHEMA holdfast CASCADE; DROP ROLE app');
  });

  it('says so where the pool has no second connection for the tables', async () => {
    const { postgresDatabase } = await import('../../src/backends/postgres/index.js');
    const pool = scene.pool(1);
    const client = await pool.connect();
    await client.query('BEGIN');
    expect(await thrownBy(outbox(postgresDatabase(pool)).write(client, event('k', 1)))).toBeInstanceOf(BackendUnavailableError);
    await client.query('ROLLBACK');
    client.release();
  });

  it('takes the sql of postgres.js', async () => {
    const { default: postgresJs } = await import('postgres');
    const { postgresDatabase } = await import('../../src/backends/postgres/index.js');
    const sql = postgresJs(scene.server.url, { max: 4, onnotice: () => {} });
    const [database, collector] = [postgresDatabase(sql), new Collector()];
    const [written] = await sql.begin(async (tx) => [await outbox(database).write(tx, event('k', 'by postgres.js'))]);
    const started = scene.relay(collector, {}, database);
    await scene.drained();
    expect(collector.got).toMatchObject([{ id: written?.id, payload: 'by postgres.js' }]);
    await started.stop();
    await sql.end({ timeout: 1 });
  });
});
