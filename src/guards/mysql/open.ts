import { InvalidArgumentError } from '../../core/errors.js';
import { ifInstalled, notInstalled, type OpenGuard } from '../installed.js';
import { mysqlGuard } from './index.js';

/** `mysql://user:password@host:3306/database?table=holdfast_marks`. @throws NotSupportedError, InvalidArgumentError */
export async function openGuard(text: string): Promise<OpenGuard> {
  // Its error would repeat the URL, which may hold a password.
  if (!URL.canParse(text))
    throw new InvalidArgumentError('this MySQL URL cannot be read: use %XX for special characters in user and password');
  const url = new URL(text.replace(/^mariadb:/i, 'mysql:'));
  const table = url.searchParams.get('table');
  url.searchParams.delete('table');
  const mysql = await ifInstalled(() => import('mysql2/promise'));
  if (mysql === undefined) throw notInstalled('mysql2');
  const pool = mysql.createPool({ uri: url.href, connectionLimit: 4, connectTimeout: 5_000 });
  return { guard: mysqlGuard(pool, table === null ? {} : { table }), close: () => pool.end() };
}
