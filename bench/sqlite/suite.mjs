import { cpus } from 'node:os';
import { driverName } from './driver.mjs';
import { tuning as tuningOf } from './tuning.mjs';

const here = (file) => new URL(file, import.meta.url).href;
const ttlMs = 6_000;

export const title = `one machine: SQLite through ${driverName}, WAL, synchronous = NORMAL`;

const raw = {
  key: 'raw',
  label: 'raw SQL (floor)',
  module: here('./raw.mjs'),
  options: { ttlMs, retryMs: 5 },
  settings: 'an upsert and a conditional delete, autocommit; a waiter asks again every 5 ms; renews all in one transaction',
};

const holdfast = {
  key: 'holdfast',
  label: 'Holdfast',
  module: here('./holdfast.mjs'),
  options: { ttlMs },
  settings: '`locks.request(name, work)`, all options as they come, TTL 6 s',
};

const properLockfile = {
  key: 'proper-lockfile',
  label: 'proper-lockfile 4.1.2',
  module: here('./proper-lockfile.mjs'),
  options: { ttlMs, retries: { minTimeout: 5, maxTimeout: 20, factor: 2 } },
  settings: '`realpath: false`, `stale` 6 s, `update` 2 s, retries for ever every 5 to 20 ms (the best of `--tune`)',
};

const flock = {
  key: 'flock',
  label: 'flock(1)',
  module: here('./flock.mjs'),
  options: {},
  // Its work is done by processes that are not ours: their time is not counted.
  cpuUnseen: true,
  settings: 'util-linux, one resident `sh` per caller, one start of `flock -x 9` per pair; no TTL, waits in the kernel',
};

/** The first is what all are compared with. */
export const contenders = [raw, holdfast, properLockfile, flock];

/** What `--tune` runs instead. */
export const tuning = tuningOf(raw, properLockfile);

export const works = ['solo', 'parallel', 'inproc', 'xproc', 'handover', 'held'];

/** What is held in the work `held`: one whole TTL is watched, so that the renewals of every phase are in it. */
export const held = {
  full: { count: 1_000, settleMs: 2_500, windowMs: ttlMs },
  quick: { count: 100, settleMs: 100, windowMs: 500 },
};

/** What the project set out to reach, told whether it was met or not. */
export const targets = [
  {
    says: 'solo: at least 0.6 of the raw-SQL floor',
    needs: [
      ['solo', 'holdfast'],
      ['solo', 'raw'],
    ],
    measure: ({ solo }) => solo.holdfast.pairsPerSecond / solo.raw.pairsPerSecond,
    met: (ratio) => ratio >= 0.6,
  },
  {
    says: 'xproc and handover: busiest caller within a factor 1.5 of the idlest',
    needs: [
      ['xproc', 'holdfast'],
      ['handover', 'holdfast'],
    ],
    measure: ({ xproc, handover }) => Math.max(xproc.holdfast.spread, handover.holdfast.spread),
    met: (spread) => spread <= 1.5,
  },
  {
    // Not of xproc: its 1 ms of work allows nobody 1,000 pairs, whatever the lock costs.
    says: 'handover: at least 5 × the pairs/s of proper-lockfile',
    needs: [
      ['handover', 'holdfast'],
      ['handover', 'proper-lockfile'],
    ],
    measure: ({ handover }) => handover.holdfast.pairsPerSecond / handover['proper-lockfile'].pairsPerSecond,
    met: (ratio) => ratio >= 5,
  },
];

export function machine() {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, Node ${process.versions.node}, ${driverName}`;
}
