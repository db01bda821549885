import { InvalidArgumentError, NotSupportedError } from '../../../core/errors.js';
import type { Driver } from '../driver.js';
import { type PgPool, pgDriver } from './pg.js';
import { type PostgresJsClient, postgresJsDriver } from './postgres-js.js';

/** A `Pool` of `pg` (8), or the `sql` of postgres.js (the package `postgres`, 3). */
export type PostgresClient = PgPool | PostgresJsClient;

/**
 * Tells the client by its shape: no client library is imported.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export function driverOf(client: PostgresClient): Driver {
  const shape = Object(client) as Record<string, unknown>;
  if (typeof shape['unsafe'] === 'function' && typeof shape['listen'] === 'function')
    return postgresJsDriver(client as PostgresJsClient);
  if (typeof shape['connect'] === 'function' && typeof shape['totalCount'] === 'number') return pgDriver(client as PgPool);
  if (typeof shape['connect'] === 'function' && typeof shape['query'] === 'function') {
    throw new NotSupportedError(
      'postgres() needs a Pool of pg, not a single Client: on one connection its statements would become part of the transactions of the application',
    );
  }
  throw new InvalidArgumentError('postgres() needs a Pool of pg or the sql of postgres.js: new Pool(…), or postgres(…)');
}
