import type { Stop } from '../../core/backend.js';
import type { Database, DatabaseFunctions, SqlValue, Transaction } from '../../core/database.js';
import { askIn } from './ask-in.js';
import { Commands } from './commands.js';
import type { Driver } from './driver.js';
import { openUrl } from './drivers/open.js';
import { driverOf, type PostgresClient } from './drivers/shape.js';
import { type PostgresOptions, parseOptions, type Settings } from './options.js';
import { installationOf } from './sql/setup.js';
import { identifier, literal } from './sql/text.js';

export type PostgresDatabaseOptions = Pick<PostgresOptions, 'schema' | 'listen'>;

/**
 * A PostgreSQL database for what keeps tables of its own there: the outbox and the inbox. The client stays the application's. Everything
 * works through a transaction pooler; what is heard by LISTEN needs `listen` to lead past it.
 *
 * @param client a `Pool` of `pg`, or the `sql` of postgres.js
 * @throws InvalidArgumentError, NotSupportedError
 */
export function postgresDatabase(client: PostgresClient, options?: PostgresDatabaseOptions): Database {
  return new PostgresDatabase(driverOf(client), parseOptions(options));
}

/**
 * The same with a client of our own, which `close` ends. See `postgresFromUrl`.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function postgresDatabaseFromUrl(url: string, library?: 'pg' | 'postgres'): Promise<Database> {
  const { driver, options } = await openUrl(url, library);
  return new PostgresDatabase(driver, parseOptions(options));
}

class PostgresDatabase implements Database {
  readonly schema: string;
  readonly #driver: Driver;
  readonly #listener: Driver | undefined;

  constructor(driver: Driver, { schema, listen }: Settings) {
    this.schema = schema;
    this.#driver = driver;
    this.#listener = listen === true ? driver : listen === false ? undefined : driverOf(listen);
  }

  functions(definitions: (schema: string) => string): DatabaseFunctions {
    return new Functions(this.#driver, this.schema, definitions);
  }

  listen(channel: string, heard: () => void): Stop | undefined {
    // What came before it was active may have been missed, which is as good as a message.
    return this.#listener?.listen(channel, { message: heard, active: heard, impossible: () => {} });
  }

  async close(): Promise<void> {
    if (this.#listener !== this.#driver) await this.#listener?.close();
    await this.#driver.close();
  }
}

/**
 * A session remembers also what was not there, and learns of the changes of others only when it begins a transaction or locks a table
 * that it has not locked yet: one that nobody uses.
 */
const forgetWhatWasMissing = 'SELECT true AS r FROM pg_catalog.pg_event_trigger LIMIT 1';

/** Of the features' own functions. */
const version = 1;

/** How long the look for the functions may take. */
const lookMs = 2_000;

class Functions implements DatabaseFunctions {
  readonly #commands: Commands;
  readonly #schema: string;
  readonly #look: string;
  /** They were there once, for a transaction of the application: a call that finds nothing would break it. */
  #seen = false;

  constructor(driver: Driver, schema: string, definitions: (schema: string) => string) {
    const statements = definitions(identifier(schema));
    this.#schema = schema;
    this.#commands = new Commands(driver, schema, {
      version,
      statements: installationOf(schema, statements),
      definitions: definitions.name,
    });
    // All come in one transaction: the last is there if any is.
    const last = [...statements.matchAll(/FUNCTION "(?:[^"]|"")+"\.(v1_\w+)\(/g)].at(-1)?.[1] ?? '';
    this.#look = `SELECT to_regproc(${literal(`${identifier(schema)}.${last}`)}) IS NOT NULL AS r`;
  }

  call(name: string, args: readonly SqlValue[], doing: string, timeoutMs: number): Promise<string | null> {
    return this.#commands.call(
      name,
      args.map((arg) => ({ sql: sqlOf(arg) })),
      doing,
      timeoutMs,
    );
  }

  async callIn(tx: Transaction, name: string, args: readonly SqlValue[]): Promise<string | null> {
    const who = `${name.replace(/^.*_/, '')}()`;
    if (!this.#seen) {
      const answer = await askIn(tx, this.#look, who);
      // On a connection of its own: not the transaction's business, and there for all others whatever becomes of it.
      if (!isYes(answer)) {
        await this.#commands.install();
        await askIn(tx, forgetWhatWasMissing, who);
      }
      this.#seen = true;
    }
    return askIn(tx, `SELECT ${identifier(this.#schema)}.v${version}_${name}(${args.map(sqlOf).join(',')}) AS r`, who);
  }

  async installed(timeoutMs = lookMs): Promise<boolean> {
    return isYes(await this.#commands.query(this.#look, 'looking for the tables', timeoutMs));
  }

  close(): void {
    this.#commands.close();
  }
}

function isYes(answer: string | null): boolean {
  return answer === 'true' || answer === 't';
}

function sqlOf(value: SqlValue): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return literal(value);
  return `ARRAY[${value.map((one) => literal(typeof one === 'bigint' ? String(one) : one)).join(',')}]::text[]`;
}
