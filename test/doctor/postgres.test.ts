import pg from 'pg';
import { describe } from 'vitest';
import { acquireIn } from '../../src/backends/postgres/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { openPostgres } from '../support/postgres-clients.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { Scene, type Undo } from './scene.js';
import {
  anywhere,
  diagnosed,
  foreign,
  inOtherLetters,
  quietWhenHealthy,
  type Situation,
  whereTimeIsTold,
  withQueue,
  withRecords,
  withSink,
} from './situations.js';

let server: PostgresServer;

/** Another application's session. */
async function session(work: (client: pg.Client) => Promise<unknown>): Promise<Undo> {
  const client = new pg.Client({ connectionString: server.url, application_name: 'billing' });
  // Whoever follows the advice ends it.
  client.on('error', () => {});
  await client.connect();
  await work(client);
  return () => client.end().catch(() => undefined);
}

const locked: readonly Situation[] = [
  {
    title: 'a row that an idle transaction has locked',
    verdict: 'foreign-lock',
    says: /a lock on the row.*billing.*idle in transaction|billing.*idle in transaction.*a lock on the row/s,
    async make(scene, name) {
      await (await (await scene.locks()).acquire(name)).release();
      const lock = 'SELECT FROM holdfast.leases WHERE name = $1 FOR UPDATE';
      scene.later(await session((client) => client.query('BEGIN').then(() => client.query(lock, [name]))));
    },
  },
  foreign('an advisory lock on the hash of the name', /pg_advisory_lock.*with session \d+/s, (name) =>
    session((client) => client.query('SELECT pg_advisory_lock(hashtext($1))', [name])),
  ),
  {
    title: 'a transaction that took the name for itself',
    verdict: 'foreign-lock',
    says: /took the name for itself with acquireIn/,
    async make(scene, name) {
      // The tables have to be there.
      await (await (await scene.locks()).acquire(name)).release();
      scene.later(await session((client) => client.query('BEGIN').then(() => acquireIn(client, name))));
    },
  },
  {
    title: 'a transaction that outlives the lease it was checked with',
    verdict: 'foreign-lock',
    says: /outlives the lease/,
    async make(scene, name) {
      const lease = await (await scene.locks()).acquire(name);
      scene.later(await session((client) => client.query('BEGIN').then(() => acquireIn(client, lease))));
      await lease.release();
    },
  },
  {
    title: 'the same name in another schema',
    verdict: 'two-claimants',
    says: /under another prefix.*schema other/s,
    async make(scene, name) {
      const other = new Holdfast(openPostgres('pg', server.url, { schema: 'other' }), { ttlMs: 4_000 });
      scene.later(() => other.close());
      await other.acquire(name);
      await scene.hold(name);
    },
  },
];

describe.skipIf(postgresIsMissing)('the doctor on PostgreSQL', () => {
  const scene = new Scene({
    folder: 'postgres',
    ttlMs: 4_000,
    url: () => server.url,
    start: async () => {
      server = await PostgresServer.start();
    },
    stop: () => server.stop(),
    open: async () => openPostgres('pg', server.url),
  });
  quietWhenHealthy(scene);
  diagnosed(scene, [...anywhere, ...whereTimeIsTold, ...withQueue, withSink, withRecords, inOtherLetters, ...locked]);
});
