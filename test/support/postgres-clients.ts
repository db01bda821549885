import pg from 'pg';
import postgresJs from 'postgres';
import { type PostgresClient, type PostgresOptions, postgres } from '../../src/backends/postgres/index.js';
import type { Backend } from '../../src/core/backend.js';

export interface Opened {
  readonly client: PostgresClient;
  end(): Promise<void>;
}

/** Every client library that is supported, as an application would open it. */
export const clients: Readonly<Record<string, (url: string, max?: number) => Opened>> = {
  pg(connectionString, max = 4) {
    const pool = new pg.Pool({ connectionString, max });
    return {
      client: pool,
      async end() {
        // The server may be killed at the same time, and the backend listens no more.
        pool.on('error', () => {});
        await Promise.race([pool.end(), new Promise((resolve) => setTimeout(resolve, 500))]);
      },
    };
  },
  postgres(url, max = 4) {
    const sql = postgresJs(url, { max, onnotice: () => {}, fetch_types: false });
    return { client: sql, end: () => sql.end({ timeout: 0.2 }) };
  },
};

/** A backend on a client of its own; closing it ends the client as well. */
export function openPostgres(library: string, url: string, options?: PostgresOptions): Backend {
  const open = clients[library];
  if (open === undefined) throw new Error(`no client is called "${library}"`);
  const { client, end } = open(url);
  const backend = postgres(client, options);
  const close = backend.close.bind(backend);
  let ended: Promise<void> | undefined;
  return Object.assign(backend, {
    close: async () => {
      await close();
      ended ??= end();
      await ended;
    },
  });
}
