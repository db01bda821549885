import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

const peers = {
  holdfast: () => import('./peers/holdfast.mjs'),
  'pg-boss': () => import('./peers/pg-boss.mjs'),
  'graphile-worker': () => import('./peers/graphile-worker.mjs'),
};

/** One turn of one contender: `{ peer, work, count, port, keys?, whole? }` comes in, its figures go out. */
process.once('message', async (task) => {
  try {
    const options = await ownDatabase(task);
    const { open } = await peers[task.peer]();
    const peer = await open(options);
    const figures = task.work === 'backlog' ? await backlog(peer, task) : await latency(peer, task);
    process.send(figures);
  } catch (error) {
    process.send({ out: `failed: ${error.message}` });
  }
});

/** Of what others left behind, nothing is in the way. */
async function ownDatabase({ port, keys, whole }) {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client({ host: '127.0.0.1', port, user: 'bench', database: 'postgres' });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  const connectionString = `postgres://bench@127.0.0.1:${port}/${name}`;
  const pool = new pg.Pool({ connectionString, max: 4 });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  const keyOf = keys === undefined ? () => undefined : (n) => `key ${n % keys}`;
  return { connectionString, pool, keyOf, whole };
}

/** Writes everything, and then lets one relay loose. */
async function backlog(peer, { count }) {
  for (let from = 0; from < count; from += 500) await peer.write(range(from, Math.min(count, from + 500)));
  await peer.settle();
  let left = count;
  const cpu = process.cpuUsage();
  const since = performance.now();
  await new Promise((resolve) => {
    peer.relay(() => {
      left -= 1;
      if (left === 0) resolve();
    });
  });
  // Not before it is written down, too.
  await peer.drained();
  const ms = performance.now() - since;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (count / ms) * 1_000, cpuUsPerEvent: (user + system) / count };
}

/** Writes one after the other beside a relay that has nothing else to do. */
async function latency(peer, { count }) {
  const sent = new Map();
  const waits = [];
  let done;
  const all = new Promise((resolve) => {
    done = resolve;
  });
  peer.relay((n) => {
    const since = sent.get(n);
    if (since === undefined) return;
    sent.delete(n);
    waits.push(performance.now() - since);
    if (waits.length === count) done();
  });
  const warmUp = Math.min(200, count);
  for (let n = -warmUp; n < count; n++) {
    if (n >= 0) sent.set(n, performance.now());
    const nextMs = performance.now() + 5;
    await peer.write([n]);
    await pause(Math.max(0, nextMs - performance.now()));
  }
  await all;
  waits.sort((a, b) => a - b);
  const at = (share) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function range(from, to) {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
