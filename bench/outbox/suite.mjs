import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { median } from '../lib/stats.mjs';
import { pick } from '../lib/suite.mjs';
import { store } from '../stores/postgres.mjs';
import { versionOf } from '../stores/versions.mjs';

export const title = 'relays on one PostgreSQL server: as it comes, what it answers is on the disk, TCP over loopback';

const both = 'from a pool of `pg` with 4 connections, a handler that does nothing';

export const contenders = [
  {
    key: 'holdfast-keyed',
    label: 'Holdfast, in the order of keys',
    options: { peer: 'holdfast', keys: 1_000 },
    settings: `1,000 keys, batches of 1,000, one event at a time per key, ${both}`,
  },
  {
    key: 'holdfast',
    label: 'Holdfast, without order',
    options: { peer: 'holdfast' },
    settings: `no keys, else the same`,
  },
  {
    key: 'holdfast-batch',
    label: 'Holdfast, in the order of keys, whole batches',
    options: { peer: 'holdfast', keys: 1_000, whole: true },
    settings: `the same with a publisher that takes a batch at once, as a pipeline of Redis does`,
  },
  {
    key: 'pg-boss',
    label: 'pg-boss 10.4.2',
    options: { peer: 'pg-boss' },
    settings:
      '`fetch` of 1,000 and `complete` in a loop, because its `work` pauses for half a second at least; 10 ms where nothing was found; `standard` queue, no order',
  },
  {
    key: 'graphile-worker',
    label: 'graphile-worker 0.17.2',
    options: { peer: 'graphile-worker' },
    settings: '`localQueue` of 1,000, 32 jobs at a time, completions gathered for 1 ms, no named queues, no order',
  },
  {
    key: 'graphile-queues',
    label: 'graphile-worker 0.17.2, a queue for each key',
    options: { peer: 'graphile-worker', keys: 1_000, countMax: 1_000 },
    settings:
      '1,000 named queues, each of which runs one job at a time, without `localQueue`, which does not keep their order; a backlog of 1,000 only; else the same',
  },
];

const works = [
  {
    key: 'backlog',
    title: (n) => `backlog: ${n.toLocaleString('en')} events wait, one process publishes them`,
    full: 20_000,
    quick: 300,
  },
  {
    key: 'latency',
    title: (n) => `latency: ${n.toLocaleString('en')} events, one every 5 ms, from before its transaction begins`,
    full: 1_000,
    quick: 40,
  },
];

export function machine() {
  const versions = [...store.versions(), versionOf('pg-boss'), versionOf('graphile-worker')];
  return [`${cpus().length} × ${cpus()[0]?.model}`, `Node ${process.versions.node}`, ...versions].join(', ');
}

/** Contenders take turns, each in a new process and in a database of its own that no other has filled. */
export async function run({ quick, rounds = quick ? 1 : 3, only, contenders: wanted, folder, progress }) {
  const [chosen, among] = [pick(works, only, 'work'), pick(contenders, wanted, 'contender')];
  const server = await store.start(folder);
  const measured = [];
  try {
    for (const work of chosen) {
      const count = quick ? work.quick : work.full;
      const found = new Map(among.map(({ key }) => [key, []]));
      for (let round = 1; round <= rounds; round++) {
        for (const { key, label, options } of among) {
          progress(`${work.key}: round ${round}, ${label}`);
          found
            .get(key)
            .push(
              await turn({ ...options, work: work.key, count: Math.min(count, options.countMax ?? count), port: server.port }),
            );
        }
      }
      const rows = [...found].map(([contender, results]) => ({ contender, ...summary(results) }));
      measured.push({ work: { key: work.key, title: work.title(count), kind: work.key }, rows });
    }
  } finally {
    await server.stop();
  }
  return { suite: title, machine: machine(), quick, measured, targets: [] };
}

async function turn(task) {
  const child = fork(fileURLToPath(new URL('process.mjs', import.meta.url)), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit').then(() => ({ out: 'its process ended without a result' }));
  const result = once(child, 'message').then(([message]) => message);
  child.send(task);
  const answer = await Promise.race([result, ended]);
  child.kill('SIGKILL');
  await ended;
  return answer;
}

/** The median of each figure; who failed once has none. */
function summary(results) {
  const failed = results.find(({ out }) => out !== undefined);
  if (failed !== undefined) return failed;
  const names = Object.keys(results[0]);
  return Object.fromEntries(names.map((name) => [name, median(results.map((result) => result[name]))]));
}
