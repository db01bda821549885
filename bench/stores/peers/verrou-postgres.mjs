import { LockFactory } from '@verrou/core';
import { knexStore } from '@verrou/core/drivers/knex';
import knex from 'knex';

export function openVerrou({ port, ttlMs, delay }) {
  const connection = knex({
    client: 'pg',
    connection: { port, host: '127.0.0.1', user: 'bench', database: 'postgres' },
    pool: { min: 4, max: 4 },
  });
  const locks = new LockFactory(knexStore({ connection, tableName: 'verrou' }).factory(), { retry: { delay } });
  return {
    pair: (name, work) => locks.createLock(name, ttlMs).run(async () => work()),
    close: () => connection.destroy(),
  };
}
