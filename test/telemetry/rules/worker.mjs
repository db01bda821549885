// A service with a lock, as a user would write it: `worker.mjs <URL of Redis> <ttlMs> <callTimeoutMs>`. It holds `orders:1` again and
// again, for half longer than a TTL, and shows its metrics on a port of its own, which is the first line that it says.
import http from 'node:http';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { register } from 'prom-client';
import { redisFromUrl } from './src/backends/redis/index.js';
import { Holdfast } from './src/core/holdfast.js';
import { prometheusMetrics } from './src/telemetry/prometheus/index.js';

const [url, ttl, callTimeout] = process.argv.slice(2);
const ttlMs = Number(ttl);

prometheusMetrics({ groupOf: (name) => name.split(':')[0] });
const server = http.createServer(async (_, response) => {
  response.setHeader('Content-Type', register.contentType);
  response.end(await register.metrics());
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`));

const locks = new Holdfast(await redisFromUrl(url), { ttlMs, callTimeoutMs: Number(callTimeout) });
const options = { expectedHoldMs: 10 * ttlMs };
for (;;) {
  try {
    await locks.request('orders:1', options, ({ signal }) => sleep(1.5 * ttlMs, undefined, { signal }));
  } catch {
    // Lost, or the store is away: the next turn is asked for.
    await sleep(20);
  }
}
