import type pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { ask, heldOf } from '../../support/asks.js';
import { postgresIsMissing } from '../../support/postgres-server.js';
import { lossOf, thrownBy, until } from '../../support/waits.js';
import { Scene } from '../scene.js';

describe.skipIf(postgresIsMissing)(
  'a session of somebody else that is idle in a transaction, and has a row of ours locked',
  () => {
    const scene = new Scene();
    const open: pg.Client[] = [];
    afterEach(async () => {
      for (const client of open.splice(0)) await client.end();
    });

    const lockRow = async (name: string): Promise<() => Promise<unknown>> => {
      const client = scene.server.client();
      open.push(client);
      await client.connect();
      await client.query('BEGIN');
      await client.query('SELECT FROM holdfast.leases WHERE name = $1 FOR UPDATE', [name]);
      return () => client.query('ROLLBACK');
    };
    const waitingInside = async () =>
      Number(
        await scene.server.value(
          "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%holdfast%' AND wait_event_type = 'Lock'",
        ),
      );

    it('costs the holder of that name its lease at its own deadline, and no other of the same batch', async () => {
      const locks = scene.holder({ ttlMs: 3_000 });
      const [victim, ...others] = [await locks.acquire('a'), await locks.acquire('b'), await locks.acquire('c')] as const;
      const unlock = await lockRow('a');
      const { loss, afterMs } = await lossOf(locks);
      expect(loss).toBe('expired');
      expect(afterMs).toBeLessThan(3_000 + 500);
      expect(victim.signal.aborted).toBe(true);
      for (const lease of others) lease.assertHeld();
      await unlock();
      for (const lease of others) expect(await lease.release()).toBe('released');
    });

    it('costs a batch of renewals nothing but the hold of that name', async () => {
      const store = scene.backend();
      const asks = ['a', 'b', 'c'].map((name) => ask(name, { ttlMs: 10_000 }));
      for (const each of asks) await store.acquire(each);
      const unlock = await lockRow('b');
      const answers = await store.renew(asks.map(heldOf));
      expect(answers.map(({ outcome }) => outcome)).toEqual(['renewed', 'unknown', 'renewed']);
      await unlock();
      expect((await store.renew(asks.map(heldOf))).map(({ outcome }) => outcome)).toEqual(['renewed', 'renewed', 'renewed']);
      for (const each of asks) expect(await store.release(heldOf(each))).toBe('released');
    });

    it('makes an ask fail with a reason, and leaves no session behind that waits', async () => {
      const store = scene.backend();
      const first = ask('a');
      await store.acquire(first);
      await store.release(heldOf(first));
      const unlock = await lockRow('a');
      expect(await thrownBy(store.acquire(ask('a', { ttlMs: 3_000 })))).toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        message: expect.stringMatching(/idle in transaction/),
      });
      await until(async () => (await waitingInside()) === 0, 'nobody waits inside the server');
      await unlock();
    });

    it('holds up neither the release of other names, nor for ever that of its own', async () => {
      const locks = scene.holder({ ttlMs: 2_000 });
      const [a, b] = [await locks.acquire('a'), await locks.acquire('b')];
      const unlock = await lockRow('a');
      expect(await b.release()).toBe('released');
      expect(await a.release()).toBe('unknown');
      await unlock();
      await (await scene.holder().acquire('a')).release();
    });
  },
);
