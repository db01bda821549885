import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { type ConformanceCase, conformanceCases } from '../../src/testkit/index.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { clients, openPostgres } from '../support/postgres-clients.js';
import { pgbouncerIsMissing, postgresIsMissing } from '../support/postgres-server.js';
import { awakeMs, until } from '../support/waits.js';
import { Scene } from './scene.js';

/** They wait for something that has nothing to do with a pooler, or take thousands of round trips to see it. */
const slow = /dead-waiter|ten-thousand|stood-still|forgot|thousand-at-once/;

/** The first call of a client makes its connection, which takes longer than the shortest TTLs of the suite allow a call. */
async function warm(store: Backend): Promise<Backend> {
  for await (const _ of store.list('nothing'));
  return store;
}

describe.skipIf(postgresIsMissing || pgbouncerIsMissing)('through pgbouncer in transaction mode', () => {
  const scene = new Scene();
  let pooler: PgBouncer;
  const ends: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    pooler = await PgBouncer.start(scene.server.port, scene.server.user);
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });
  afterAll(() => pooler.stop());

  const cases = (library: string): readonly ConformanceCase[] =>
    conformanceCases({ name: 'pooled', open: () => warm(openPostgres(library, pooler.url, { listen: false })) }).filter(
      ({ id, skipped }) => skipped === undefined && !slow.test(id),
    );

  it.each(['pg', 'postgres'])('the suite passes (%s)', async (library) => {
    const failed: string[] = [];
    const left = cases(library).filter((_, i) => library === 'pg' || i % 4 === 0);
    const worker = async () => {
      for (let one = left.shift(); one !== undefined; one = left.shift()) {
        await one.run().catch((error: unknown) => failed.push(`${one?.id}: ${String(error)}`));
      }
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    expect(failed).toEqual([]);
  });

  it.each(['pg', 'postgres'])(
    'waiters are served without being woken, no session is left that listens, and the probe says so (%s)',
    async (library) => {
      const store = openPostgres(library, pooler.url);
      const locks = scene.holderOn(store);
      const held = await scene.holder().acquire('job');
      const waiting = locks.acquire('job');
      await until(async () => (await locks.query()).pending.length === 1, 'it waits');
      await held.release();
      const sinceMs = awakeMs();
      await (await waiting).release();
      expect(awakeMs() - sinceMs).toBeLessThan(1_500);
      expect(await scene.server.value("SELECT count(*)::int FROM pg_stat_activity WHERE query ILIKE 'listen%'")).toBe(0);
      const found = await store.probe();
      expect(found.map(({ what }) => what)).toEqual(
        expect.arrayContaining(['a connection pooler stands between', 'wake-ups cannot pass the pooler']),
      );
    },
  );

  it('wake-ups may go past it', async () => {
    const direct = clients['pg']?.(scene.server.url, 2);
    if (direct === undefined) throw new Error('pg is supported');
    ends.push(direct.end);
    const store = openPostgres('pg', pooler.url, { listen: direct.client });
    const locks = scene.holderOn(store);
    const held = await scene.holder().acquire('job');
    let woken = 0;
    const waiting = locks.acquire('job');
    await until(
      async () => (await scene.server.value("SELECT count(*)::int FROM pg_stat_activity WHERE query ILIKE 'listen%'")) === 1,
      'it listens',
    );
    const stop = store.watch({ text: 'job', encoded: 'job' }, () => {
      woken += 1;
    });
    await held.release();
    await (await waiting).release();
    expect(woken).toBeGreaterThan(0);
    stop();
    expect((await store.probe()).map(({ what }) => what)).not.toContain('wake-ups cannot pass the pooler');
  });
});
