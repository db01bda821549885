import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { command } from './command.mjs';
import * as contenderParts from './contenders.mjs';
import { startServer } from './server.mjs';
import { targetsOf } from './targets.mjs';
import { tunings } from './tuning.mjs';

const { contenders: all, holdfasts, raw } = contenderParts;
const peers = all.filter((contender) => contender !== raw && contender.ours !== true);

export const title = 'one Redis server: nothing on disk, TCP over loopback, one connection per process';
export const chart = 'Redis: pairs of acquire and release per second';
export const contenders = all;
export const works = ['solo', 'parallel', 'inproc', 'xproc', 'held'];
export const targets = targetsOf(raw, holdfasts, peers);

/** What `--tune` runs instead: one after the other, as each is many processes. */
export const tuning = tunings(contenderParts);

/** What is held in the work `held`: one whole TTL is watched; quickly, at least the renewals of those that renew early. */
export const held = {
  full: { count: 20_000, settleMs: 2_500, windowMs: 6_000 },
  quick: { count: 1_000, settleMs: 500, windowMs: 2_000 },
};

/** The server that all contenders share. It is emptied before each turn: nobody inherits another's keys. */
export async function start({ folder }) {
  const { port, stop } = await startServer(folder);
  return {
    options: { port, meter: new URL('./meter.mjs', import.meta.url).href },
    empty: () => command(port, 'FLUSHALL'),
    stop,
  };
}

export function machine() {
  const [cpu] = cpus();
  const require = createRequire(import.meta.url);
  const clients = ['ioredis', 'redis'].map((name) => `${name} ${require(`${name}/package.json`).version}`);
  const server = execFileSync(process.env.HOLDFAST_REDIS_SERVER ?? 'redis-server', ['--version'], { encoding: 'utf8' });
  const version = server.match(/v=(\S+)/)?.[1] ?? 'of unknown version';
  const parts = [`${cpus().length} × ${cpu?.model ?? 'unknown processor'}`, `Node ${process.versions.node}`];
  return [...parts, `redis-server ${version}`, ...clients].join(', ');
}
