import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Outbox, outbox } from '../../src/outbox/index.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { Processes, type Worker } from '../support/processes.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { Consumer } from './support/broker.js';
import { Scene } from './support/scene.js';
import { standStill } from '../support/stand-still.js';

const keys = 40;
const ttlMs = 1_000;

/**
 * Writers take a number from a row of their business (the order of commits), and write it into the outbox in the same transaction; some roll
 * back. Relays in processes of their own publish to a Redis stream; a consumer does its work through an inbox. In the end
 * every committed number was applied once, per key in the order of commits.
 */
describe.skipIf(postgresIsMissing || redisIsMissing)('under load', { timeout: 120_000 }, () => {
  // A killed server keeps what it has acknowledged: its processes' memory is lost, the kernel's is not.
  const scene = new Scene();
  const processes = new Processes(['core', 'backends/postgres', 'outbox'], new URL('support/worker.mjs', import.meta.url));
  let redis: RedisServer;
  let consumer: Consumer;
  let pool: pg.Pool;
  let box: Outbox;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterEach(async () => {
    consumer.close();
    await scene.server.rows('DROP TABLE IF EXISTS orders, loose, applied');
  });
  afterAll(() => redis.stop());

  async function open(): Promise<void> {
    await scene.server.rows(`CREATE TABLE orders (key text PRIMARY KEY, n int NOT NULL); CREATE TABLE loose (n serial PRIMARY KEY);
      CREATE TABLE applied (id bigint GENERATED ALWAYS AS IDENTITY, key text, n int NOT NULL)`);
    await scene.server.rows("INSERT INTO orders SELECT 'k' || g, 0 FROM generate_series(0, $1) g", [keys - 1]);
    pool = scene.pool(16);
    const database = scene.database();
    box = outbox(database);
    consumer = new Consumer(redis.port, pool, database);
    const stream = await import('ioredis').then(({ Redis }) => new Redis(redis.port));
    await stream.del('events');
    stream.disconnect();
  }

  function relayProcess(dieAfter = 0): Worker {
    return processes.start([scene.server.url, String(redis.port), String(ttlMs), String(dieAfter)]);
  }

  /** One transaction: one or two keys and an event without one. Says whether it committed; what a cut connection did is in the table. */
  async function write(): Promise<void> {
    const client = await pool.connect();
    // The server is killed between two statements.
    const ignored = () => {};
    client.on('error', ignored);
    let broken: Error | undefined;
    try {
      await client.query('BEGIN');
      const some = [...new Set([0, 1].map(() => `k${Math.floor(Math.random() ** 2 * keys)}`))].sort();
      for (const key of some) {
        // Held for a while by some, so that ids and commits come in different orders.
        const { rows } = await client.query('UPDATE orders SET n = n + 1 WHERE key = $1 RETURNING n', [key]);
        await box.write(client, { key, type: 'order', payload: rows[0].n });
      }
      const { rows } = await client.query('INSERT INTO loose DEFAULT VALUES RETURNING n');
      await box.write(client, { type: 'loose', payload: rows[0].n });
      if (Math.random() < 0.2) await sleep(Math.random() * 20);
      await client.query(Math.random() < 0.1 ? 'ROLLBACK' : 'COMMIT');
    } catch (error) {
      broken = error as Error;
      await client.query('ROLLBACK').catch(() => {});
    } finally {
      if (broken === undefined) client.removeListener('error', ignored);
      client.release(broken);
    }
  }

  async function writers(count: number, transactions: number): Promise<void> {
    let left = transactions;
    const one = async () => {
      while (left-- > 0) await write().catch(() => sleep(50));
    };
    await Promise.all(Array.from({ length: count }, one));
  }

  async function check(): Promise<void> {
    await until(
      async () => {
        await consumer.consume();
        return (await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_events')) === 0;
      },
      'all is published',
      40_000,
    );
    await consumer.consume();
    expect(consumer.early).toBe(0);
    // Per key 1, 2, 3 … in the order of the work, without a hole, and all of them.
    const wrong = await scene.server.rows(
      `SELECT * FROM (SELECT key, n, row_number() OVER (PARTITION BY key ORDER BY id) AS place FROM applied WHERE key IS NOT NULL) a WHERE n <> place`,
    );
    expect(wrong).toEqual([]);
    expect(
      await scene.server.rows('SELECT key, count(*)::int AS n FROM applied WHERE key IS NOT NULL GROUP BY key ORDER BY key'),
    ).toEqual(await scene.server.rows('SELECT key, n FROM orders WHERE n > 0 ORDER BY key'));
    expect(await scene.server.rows('SELECT n FROM applied WHERE key IS NULL ORDER BY n')).toEqual(
      await scene.server.rows('SELECT n FROM loose ORDER BY n'),
    );
  }

  it('relays that are killed and stopped lose nothing, repeat nothing, and keep the order', async () => {
    await open();
    const relays = [relayProcess(), relayProcess(), relayProcess()];
    await Promise.all(relays.map((one) => one.next()));
    let over = false;
    const writing = writers(8, 500).finally(() => {
      over = true;
    });
    for (let n = 0; !over || n < 6; n++) {
      const victim = relays[n % 3];
      if (n % 2 === 0) {
        // Longer than its claim: others take over, and then it wakes up in the middle of something.
        standStill(victim?.child.pid);
        await sleep(ttlMs + 300);
        victim?.child.kill('SIGCONT');
      } else {
        victim?.child.kill('SIGKILL');
        relays[n % 3] = relayProcess();
        await sleep(200);
      }
    }
    await writing;
    await check();
  });

  it('a relay that dies between publishing and writing it down repeats itself, and the inbox drops that', async () => {
    await open();
    await writers(8, 300);
    const first = relayProcess(200);
    await first.exited;
    expect(first.child.signalCode).toBe('SIGKILL');
    relayProcess();
    await check();
    expect(consumer.duplicates).toBeGreaterThan(0);
  });

  it('a server that is killed and comes back has lost nothing', async () => {
    await open();
    for (let n = 0; n < 2; n++) relayProcess();
    const writing = writers(8, 500);
    for (let n = 0; n < 2; n++) {
      await sleep(500);
      await scene.server.kill();
      await scene.server.boot();
    }
    await writing;
    await check();
  });
});
