import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outbox } from '../../src/outbox/index.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { pgbouncerIsMissing, postgresIsMissing } from '../support/postgres-server.js';
import { until } from '../support/waits.js';
import { Collector, event, Scene } from './support/scene.js';

const listening = "SELECT count(*)::int FROM pg_stat_activity WHERE query ILIKE 'listen%'";

describe.skipIf(postgresIsMissing || pgbouncerIsMissing)('through pgbouncer in transaction mode', () => {
  const scene = new Scene();
  let pooler: PgBouncer;
  beforeAll(async () => {
    pooler = await PgBouncer.start(scene.server.port, scene.server.user);
  });
  afterAll(() => pooler.stop());

  it('events are published in order although nothing can be notified', async () => {
    const [collector, pool] = [new Collector(), scene.pool(4, pooler.url)];
    const box = outbox(scene.database({}, pooler.url));
    scene.relay(collector, {}, scene.database({}, pooler.url));
    for (let n = 0; n < 5; n++) {
      const client = await pool.connect();
      await client.query('BEGIN');
      await box.write(client, [event('k', 2 * n), event('k', 2 * n + 1), event(undefined, n)]);
      await client.query('COMMIT');
      client.release();
      // It may have gone to sleep, and its poll stands behind.
      await until(() => collector.got.length === 3 * (n + 1), 'they are published');
    }
    expect(collector.payloads('k')).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await scene.server.value(listening)).toBe(0);
  });

  it('notifications may go past it, and wake a relay that sleeps', async () => {
    const collector = new Collector();
    await scene.write(event('k', 0));
    const database = scene.database({ listen: scene.pool(2) }, pooler.url);
    // Without them it would look again after a minute.
    scene.relay(collector, { ttlMs: 300_000, pollMsMax: 60_000 }, database);
    await until(async () => (await scene.server.value(listening)) === 1, 'it listens');
    await until(async () => (await scene.server.value('SELECT asleep FROM holdfast.outbox_relays')) === true, 'it sleeps');
    // Into a pause that alone, of the doubling ones, is longer than the wait below.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const before = collector.got.length;
    await scene.write(event('k', 1));
    await until(() => collector.got.length === before + 1, 'it is woken', 3_000);
  });

  it('no notification is sent to relays that do not sleep', async () => {
    const collector = new Collector();
    await scene.write(event('k', 0));
    const heard: string[] = [];
    const listener = scene.server.client();
    await listener.connect();
    listener.on('notification', ({ channel }) => heard.push(channel));
    await listener.query('LISTEN holdfast_outbox_holdfast');
    await scene.write(event('k', 1));
    scene.relay(collector);
    await until(async () => (await scene.server.value('SELECT asleep FROM holdfast.outbox_relays')) === true, 'it sleeps');
    await listener.query('SELECT 1');
    expect(heard).toEqual([]);
    await scene.write(event('k', 2));
    await until(() => heard.length === 1, 'it is notified');
    await listener.end();
  });
});
