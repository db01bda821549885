import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort, startServer, succeeds } from '../lib/server.mjs';
import { holdfast } from './holdfast.mjs';
import { versionOf } from './versions.mjs';

export const peers = {
  raw: async (options) => (await import('./peers/postgres.mjs')).openRaw(options),
  holdfast: async (options) => (await import('./peers/postgres.mjs')).openHoldfast(options),
  advisory: async (options) => (await import('./peers/pg-advisory.mjs')).openAdvisory(options),
  verrou: async (options) => (await import('./peers/verrou-postgres.mjs')).openVerrou(options),
};

export const store = {
  title: 'one PostgreSQL server: as it comes, what it answers is on the disk, TCP over loopback, a pool per process',
  contenders: [
    {
      key: 'raw',
      label: 'raw statements (floor)',
      options: { retryMs: 5 },
      settings:
        'an upsert and a conditional delete, prepared, through a pool of `pg`; asks again every 5 ms; renews all in one statement',
    },
    holdfast('a pool of `pg` with 4 connections'),
    {
      key: 'advisory',
      label: 'pg_advisory_lock',
      options: {},
      settings:
        '`pg_advisory_lock` and `pg_advisory_unlock`, prepared, a connection for each caller, one for all of `held`; no TTL, nothing to renew, waits in the server',
    },
    {
      key: 'verrou',
      label: '@verrou/core 0.5.2',
      options: { delay: 20 },
      settings: '`lock.run` over its knex store (`pg`), asks again every 20 ms',
      cannot: { held: 'it has no renewal of its own' },
    },
  ],
  versions: () => [execFileSync(program('postgres'), ['--version'], { encoding: 'utf8' }).trim(), versionOf('pg')],
  start,
};

/** Debian puts the server into a folder for each version, and not into the path. */
function program(name) {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return join(process.env.HOLDFAST_POSTGRES_BIN ?? join(debian, versions[0] ?? '', 'bin'), name);
}

/** The server refuses to run as root. */
function user() {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function start(folder) {
  const as = user();
  // Below the folder of the bench another user cannot reach it.
  const own = mkdtempSync(join(as.uid === undefined ? folder : tmpdir(), 'holdfast-bench-postgres-'));
  if (as.uid !== undefined) chownSync(own, as.uid, as.gid);
  const remove = () => rmSync(own, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  process.once('exit', remove);
  const data = join(own, 'data');
  const initdb = ['-D', data, '--no-sync', '-A', 'trust', '-U', 'bench', '-E', 'UTF8', '--locale=C'];
  execFileSync(program('initdb'), initdb, { stdio: 'ignore', cwd: own, ...as });
  const server = await startServer(async () => {
    const port = await freePort();
    const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${own}`, 'max_connections=200'];
    return {
      program: program('postgres'),
      args: ['-D', data, '-p', port, ...settings.flatMap((one) => ['-c', one])],
      options: { cwd: own, ...as },
      answers: () => succeeds(ask(port, 'SELECT 1')),
      port,
    };
  }, 'apt-get install postgresql');
  await ask(server.port, 'CREATE TABLE bench (name text PRIMARY KEY, owner text NOT NULL, expires timestamptz NOT NULL)');
  return {
    ...server,
    options: { port: server.port },
    // Rows that are dead, of whomever, are nobody else's burden.
    empty: () => ask(server.port, 'VACUUM'),
    async stop() {
      await server.stop();
      remove();
      process.off('exit', remove);
    },
  };
}

async function ask(port, text) {
  const client = new pg.Client({ port, host: '127.0.0.1', user: 'bench', database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
