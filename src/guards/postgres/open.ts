import { InvalidArgumentError } from '../../core/errors.js';
import { ifInstalled, notInstalled, type OpenGuard } from '../installed.js';
import { postgresGuard } from './index.js';

/** `postgres://…` as the client library takes it; `schema=…` is ours. @throws NotSupportedError, InvalidArgumentError */
export async function openGuard(text: string): Promise<OpenGuard> {
  // Its error would repeat the URL, which may hold a password.
  if (!URL.canParse(text))
    throw new InvalidArgumentError('this PostgreSQL URL cannot be read: use %XX for special characters in user and password');
  const url = new URL(text);
  const schema = url.searchParams.get('schema');
  url.searchParams.delete('schema');
  const options = schema === null ? {} : { schema };
  const pg = await ifInstalled(() => import('pg'));
  if (pg !== undefined) {
    const pool = new pg.default.Pool({ connectionString: url.href, max: 4, connectionTimeoutMillis: 5_000 });
    pool.on('error', () => {});
    return { guard: postgresGuard(pool, options), close: () => pool.end() };
  }
  const library = await ifInstalled(() => import('postgres'));
  if (library === undefined) throw notInstalled('pg');
  const sql = library.default(url.href, { max: 4, connect_timeout: 5, onnotice: () => {}, fetch_types: false });
  return { guard: postgresGuard(sql, options), close: () => sql.end({ timeout: 1 }) };
}
