import { InvalidArgumentError, NotSupportedError } from '../../../core/errors.js';
import type { Driver } from '../driver.js';
import type { PostgresOptions } from '../options.js';
import { parseUrl } from '../url.js';
import { type PgPool, pgDriver } from './pg.js';
import { type PostgresJsClient, postgresJsDriver } from './postgres-js.js';

/** Connections of a client of our own: calls are short, and few at a time. */
const connectionsMax = 4;
const connectMsMax = 5_000;
/** How long `close` waits for a goodbye. */
const closeMsMax = 1_000;

/** In the order in which they are tried. Undefined: not installed. */
const libraries = { pg: withPg, postgres: withPostgresJs } as const satisfies Record<
  string,
  (url: string) => Promise<Driver | undefined>
>;

/**
 * A client of our own, of the library asked for, or else of whichever is installed.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function openUrl(
  text: string,
  library?: keyof typeof libraries,
): Promise<{ readonly driver: Driver; readonly options: PostgresOptions }> {
  const { url, options } = parseUrl(text);
  if (library !== undefined && !Object.hasOwn(libraries, library)) {
    throw new InvalidArgumentError(`the library is "pg" or "postgres", not ${JSON.stringify(library)}`);
  }
  for (const open of library === undefined ? Object.values(libraries) : [libraries[library]]) {
    const driver = await open(url);
    if (driver !== undefined) return { driver, options };
  }
  throw new NotSupportedError(
    `${library === undefined ? 'no PostgreSQL client is' : `"${library}" is not`} installed: run "npm install ${library ?? 'pg'}"`,
  );
}

async function withPg(connectionString: string): Promise<Driver | undefined> {
  const library = await ifInstalled(() => import('pg'));
  if (library === undefined) return undefined;
  const pool = new library.default.Pool({
    connectionString,
    max: connectionsMax,
    connectionTimeoutMillis: connectMsMax,
    keepAlive: true,
    // A connection that nobody uses does not keep a process alive that is done.
    allowExitOnIdle: true,
    application_name: 'holdfast',
  });
  return pgDriver(pool as unknown as PgPool, () => atMost(closeMsMax, pool.end()));
}

async function withPostgresJs(url: string): Promise<Driver | undefined> {
  const library = await ifInstalled(() => import('postgres'));
  if (library === undefined) return undefined;
  const sql = library.default(url, {
    max: connectionsMax,
    connect_timeout: connectMsMax / 1_000,
    onnotice: () => {},
    // A connection that breaks while it asks for types would be a rejection that nobody handles; we have no need of them.
    fetch_types: false,
    connection: { application_name: 'holdfast' },
  });
  return postgresJsDriver(sql as unknown as PostgresJsClient, () =>
    atMost(2 * closeMsMax, sql.end({ timeout: closeMsMax / 1_000 })),
  );
}

/** A goodbye to a server that does not answer is not waited for. */
async function atMost(ms: number, goodbye: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([goodbye.catch(() => {}), enough]);
  clearTimeout(timer);
}

/** A package, if the application has it. */
async function ifInstalled<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
