import { cpus } from 'node:os';
import { targetsOf } from './targets.mjs';

/** A store is a file beside this one: `store` says what stands side by side, and on which server; `peers` open the contenders. */
const names = ['postgres', 'etcd', 'zookeeper', 'consul', 'dynalite', 'dynamodb-local'];

const here = (file) => new URL(file, import.meta.url).href;
const ttlMs = 6_000;

/** Suites of one store each: `stores/postgres` … */
export const parts = await Promise.all(names.map(async (name) => suiteOf(name, await import(`./${name}.mjs`))));

function suiteOf(name, { store }) {
  const module = here(`./${name}.mjs`);
  const contenders = store.contenders.map(({ key, options, ...contender }) => ({
    ...contender,
    key,
    module: here('./open.mjs'),
    options: { ttlMs, store: module, peer: key, ...options },
  }));
  return {
    name,
    title: store.title,
    contenders,
    works: ['solo', 'xproc', 'handover', 'held'],
    targets: targetsOf(contenders),
    held: {
      full: { count: 2_000, settleMs: 2_500, windowMs: ttlMs },
      quick: { count: 50, settleMs: 200, windowMs: 1_000 },
    },
    missing: store.missing,
    start: (options) => start(store, options),
    machine: () => [`${cpus().length} × ${cpus()[0]?.model}`, `Node ${process.versions.node}`, ...store.versions()].join(', '),
  };
}

/** The server that all contenders of a store share. */
async function start(store, { folder }) {
  const server = await store.start(folder);
  const { stop, pid, options, empty = async () => {} } = server;
  return { options: { pid, meter: here('./meter.mjs'), ...options }, empty, stop };
}
