// A relay in a process of its own, which publishes to a Redis stream: `worker.mjs <postgres url> <redis port> <ttlMs> <entries after which to die, or 0>`.
import process from 'node:process';
import { Redis } from 'ioredis';
import pg from 'pg';
import { postgresDatabase } from './src/backends/postgres/index.js';
import { redisStreams, relay } from './src/outbox/index.js';

const [url, port, ttlMs, dieAfter] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url, max: 3 });
pool.on('error', () => {});
const redis = new Redis(Number(port));
const streams = redisStreams(redis, { stream: 'events' });
let published = 0;

const publisher = {
  async publishBatch(messages, context) {
    const results = await streams.publishBatch(messages, context);
    published += messages.length;
    // Between the publication and its being written down.
    if (Number(dieAfter) > 0 && published >= Number(dieAfter)) process.kill(process.pid, 'SIGKILL');
    return results;
  },
};
relay(postgresDatabase(pool), publisher, { ttlMs: Number(ttlMs), batch: 100 });
process.stdout.write('{"up":true}\n');
