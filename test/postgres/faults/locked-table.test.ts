import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { postgresRecords } from '../../../src/backends/postgres/index.js';
import type { Backend } from '../../../src/core/backend.js';
import { ask, heldOf, recordsOf } from '../../support/asks.js';
import { PgBouncer } from '../../support/pgbouncer.js';
import { clients, openPostgres } from '../../support/postgres-clients.js';
import { pgbouncerIsMissing, postgresIsMissing } from '../../support/postgres-server.js';
import { until } from '../../support/waits.js';
import { Scene } from '../scene.js';

const ttlMs = 1_600;

describe.skipIf(postgresIsMissing || pgbouncerIsMissing)(
  'a table that somebody else has locked, as a long ALTER TABLE does',
  () => {
    const scene = new Scene();
    let pooler: PgBouncer;
    const ends: (() => unknown)[] = [];
    beforeAll(async () => {
      pooler = await PgBouncer.start(scene.server.port, scene.server.user);
    });
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end();
    });
    afterAll(() => pooler.stop());

    const lock = async (): Promise<() => Promise<unknown>> => {
      const client = scene.server.client();
      ends.push(() => client.end());
      await client.connect();
      await client.query('BEGIN; LOCK TABLE holdfast.leases, holdfast.records');
      return () => client.query('ROLLBACK');
    };
    const waitingInside = async () =>
      Number(
        await scene.server.value(
          "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%holdfast%' AND wait_event_type = 'Lock'",
        ),
      );
    /** No more of them at once than a client has connections. */
    const asking = (store: Backend): readonly Promise<unknown>[] => [
      store.acquire(ask('job', { ttlMs })),
      store.acquire(ask('job', { ttlMs, mode: 'shared' })),
      recordsOf(store, ''),
    ];
    const ending = (store: Backend): readonly Promise<unknown>[] => {
      const one = ask('job', { ttlMs });
      const by = { kind: 'revoked', reason: 'a test', node: one.node } as const;
      return [store.release(heldOf(one)), store.abandon(one), store.revoke(one.name, by)];
    };

    describe.each(['pg', 'postgres'])('through %s', (library) => {
      it.each(['directly', 'through a transaction pooler'])(
        'fails every call with a reason, and leaves no session behind that waits: %s',
        async (way) => {
          const url = way === 'directly' ? scene.server.url : pooler.url;
          const options = { listen: false, commandTimeoutMs: 1_000 };
          const [store, fresh] = [openPostgres(library, url, options), openPostgres(library, url, options)];
          const { client, end } = (clients[library] as (typeof clients)[string])(url);
          const records = postgresRecords(client, options);
          ends.push(
            end,
            () => store.close(),
            () => fresh.close(),
          );
          const held = ask('held', { ttlMs: 30_000 });
          await store.acquire(held);
          const unlock = await lock();
          const rounds = [
            // Also on a session that is made only now, and does not know our functions.
            () => [...asking(store), fresh.acquire(ask('job', { ttlMs }))],
            () => [...ending(store), records.get('k'), records.create('k', 'v', undefined)],
          ];
          for (const round of rounds) {
            const told = (await Promise.allSettled(round())).map((one) => ('reason' in one ? one.reason : one));
            // On a busy machine some may not even get as far as waiting for the lock.
            for (const one of told)
              expect(one).toMatchObject({ code: expect.stringMatching(/BACKEND_UNAVAILABLE|OUTCOME_UNKNOWN/) });
            expect(told).toContainEqual(expect.objectContaining({ message: expect.stringMatching(/or its table: look in/) }));
          }
          expect(await store.renew([heldOf(held)])).toMatchObject([{ outcome: 'unknown' }]);
          await until(async () => (await waitingInside()) === 0, 'nobody waits inside the server', 3_000);
          await unlock();
          expect(await store.renew([heldOf(held)])).toMatchObject([{ outcome: 'renewed' }]);
          expect(await store.release(heldOf(held))).toBe('released');
        },
      );
    });
  },
);
