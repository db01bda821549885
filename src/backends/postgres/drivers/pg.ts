import type { Stop } from '../../../core/backend.js';
import { type Driver, type Listener, NotSentError, type Running } from '../driver.js';
import { sqlStateOf } from '../errors.js';
import { answerOf, type PgClient, type PgOwnClient, toldOf } from './pg-client.js';
import { listenWithPg } from './pg-listener.js';

/** A `Pool` of `pg`. */
export interface PgPool {
  connect(
    callback: (
      error: Error | null | undefined,
      client: PgClient | undefined,
      release: (destroy?: boolean | Error) => void,
    ) => void,
  ): void;
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
    backends: () => backends(pool),
    async close() {
      // One that hangs may break later: then nobody else listens.
      if (close === undefined) pool.removeListener('error', ignored);
      else await close();
    },
  };
}

function listen(pool: PgPool, channel: string, listener: Listener): Stop {
  const { Client, options } = pool as unknown as PoolInside;
  // Something that only looks like a pool of pg.
  if (typeof Client !== 'function') {
    listener.impossible();
    return () => {};
  }
  // A connection that is cut off without a word is found out by what is asked on it now and then.
  return listenWithPg(() => new Client({ ...options, keepAlive: true, connectionTimeoutMillis: 10_000 }), channel, listener);
}

function backends(pool: PgPool): Promise<{ told: number | undefined; answering: number }> {
  return new Promise((resolve, reject) => {
    pool.connect((cause, client, release) => {
      if (cause !== undefined && cause !== null) return reject(new NotSentError(cause.message, { cause }));
      if (client === undefined) return reject(new NotSentError('the pool gave no connection'));
      client.query('SELECT pg_backend_pid() AS r', (error, result) => {
        release(error ?? undefined);
        if (error === undefined || error === null) resolve({ told: toldOf(client), answering: Number(answerOf(result)) });
        else reject(error);
      });
    });
  });
}

/** Called back instead of awaited: promises of the library would be a good part of what a call costs here. */
function run(pool: PgPool, text: string): Running {
  let over = false;
  let free: ((destroy: boolean) => void) | undefined;
  const answer = new Promise<string | null>((resolve, reject) => {
    pool.connect((cause, client, release) => {
      if (cause !== undefined && cause !== null) return reject(new NotSentError(cause.message, { cause }));
      if (client === undefined) return reject(new NotSentError('the pool gave no connection'));
      if (over) return release();
      client.on('error', ignored);
      free = (destroy) => {
        free = undefined;
        client.removeListener('error', ignored);
        release(destroy);
      };
      client.query(text, (error, result) => {
        // After an error of the server's the connection is as good as before; anything else has broken it.
        free?.(error !== undefined && error !== null && !isOfStatement(error));
        if (error === undefined || error === null) resolve(answerOf(result));
        else reject(error);
      });
    });
  });
  return {
    answer,
    giveUp() {
      over = true;
      if (free === undefined) return true;
      // It may hang for ever, and would be one less in the pool.
      free(true);
      return false;
    },
  };
}

/** Whatever it is, the query that was under way is told of it as well. */
const ignored = () => {};

function isOfStatement(error: Error): boolean {
  return sqlStateOf(error) !== undefined && (error as { severity?: unknown }).severity === 'ERROR';
}
