import type { Stop } from '../../../core/backend.js';
import { type Driver, type Listener, NotSentError, type Running } from '../driver.js';
import { sqlStateOf } from '../errors.js';
import { answerOf, type PgOwnClient, type PgPoolClient, toldOf } from './pg-client.js';
import { listenWithPg } from './pg-listener.js';

/** A `Pool` of `pg`. */
export interface PgPool {
  connect(): Promise<PgPoolClient>;
  readonly totalCount: number;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** What a pool has beside its documented methods, and has had through all of version 8: with what it makes its clients. */
interface PoolInside {
  readonly Client: new (options: object) => PgOwnClient;
  readonly options: object;
}

/** `close` ends a pool that is ours. */
export function pgDriver(pool: PgPool, close?: () => Promise<void>): Driver {
  // A connection that breaks while it is idle is an event of the pool, and without a listener the end of the process.
  pool.on('error', ignored);
  return {
    library: 'pg',
    run: (text) => run(pool, text),
    listen: (channel, listener) => listen(pool, channel, listener),
    async backends() {
      const client = await pool.connect();
      try {
        return { told: toldOf(client), answering: Number(answerOf(await client.query('SELECT pg_backend_pid() AS r'))) };
      } finally {
        client.release();
      }
    },
    async close() {
      // One that hangs may break later: then nobody else listens.
      if (close === undefined) pool.removeListener('error', ignored);
      else await close();
    },
  };
}

function listen(pool: PgPool, channel: string, listener: Listener): Stop {
  const { Client, options } = pool as unknown as PoolInside;
  // A connection that is cut off without a word is found out by what is asked on it now and then.
  return listenWithPg(() => new Client({ ...options, keepAlive: true, connectionTimeoutMillis: 10_000 }), channel, listener);
}

function run(pool: PgPool, text: string): Running {
  let over = false;
  let used: PgPoolClient | undefined;
  const free = (client: PgPoolClient, destroy: boolean) => {
    used = undefined;
    client.removeListener('error', ignored);
    client.release(destroy);
  };
  const go = async () => {
    const client = await pool.connect().catch((cause: unknown) => {
      throw new NotSentError(cause instanceof Error ? cause.message : String(cause), { cause });
    });
    if (over) {
      client.release();
      throw new NotSentError('given up before there was a connection');
    }
    used = client;
    client.on('error', ignored);
    try {
      const answer = answerOf(await client.query(text));
      if (used !== undefined) free(client, false);
      return answer;
    } catch (error) {
      // After an error of the server's the connection is as good as before; anything else has broken it.
      if (used !== undefined) free(client, sqlStateOf(error) === undefined || isFatal(error));
      throw error;
    }
  };
  return {
    answer: go(),
    giveUp() {
      over = true;
      if (used === undefined) return true;
      // It may hang for ever, and would be one less in the pool.
      free(used, true);
      return false;
    },
  };
}

/** Whatever it is, the query that was under way is told of it as well. */
const ignored = () => {};

function isFatal(error: unknown): boolean {
  return (error as { severity?: unknown }).severity !== 'ERROR';
}
