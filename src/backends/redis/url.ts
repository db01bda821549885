import { InvalidArgumentError } from '../../core/errors.js';
import type { RedisOptions } from './options.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where a URL leads, and with which words one is let in. */
export interface Target {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** The server, the sentinels, or some nodes of the Cluster. */
  readonly addresses: readonly [Address, ...Address[]];
  /** What the sentinels call the master. */
  readonly master?: string;
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  readonly options: RedisOptions;
}

const schemes = {
  redis: { kind: 'single', tls: false, port: 6379 },
  rediss: { kind: 'single', tls: true, port: 6379 },
  'redis+sentinel': { kind: 'sentinel', tls: false, port: 26379 },
  'redis+cluster': { kind: 'cluster', tls: false, port: 6379 },
} as const;

const forms =
  'redis://user:password@host:6379/0, rediss://… with TLS, redis+sentinel://host:26379,host:26379/master/0 or redis+cluster://host:6379,host:6379';

/**
 * Several hosts are parted by commas; user, password and database may be left out; `?prefix=…` is the prefix of all keys.
 *
 * @throws InvalidArgumentError; its message repeats nothing of the URL, which may hold a password
 */
export function parseUrl(url: string): Target {
  const match = /^([a-z+]+):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(url);
  const scheme = match?.[1]?.toLowerCase() ?? '';
  if (match === null || !Object.hasOwn(schemes, scheme))
    throw new InvalidArgumentError(`this is no Redis URL: write it like ${forms}`);
  const { kind, tls, port } = schemes[scheme as keyof typeof schemes];
  const [, , login, hosts = '', path = '', query = ''] = match;
  const addresses = parseHosts(hosts, port);
  if (kind === 'single' && addresses.length > 1)
    throw new InvalidArgumentError(`one server has one host: write it like ${forms}`);
  const parts = path === '' ? [] : path.split('/').map(decode);
  const master = kind === 'sentinel' ? parts.shift() : undefined;
  if (kind === 'sentinel' && (master ?? '') === '')
    throw new InvalidArgumentError(`the name of the master is missing: write it like ${forms}`);
  return {
    kind,
    addresses,
    ...(master === undefined ? {} : { master }),
    tls,
    ...parseLogin(login),
    database: parseDatabase(parts, kind),
    options: parseQuery(query),
  };
}

function parseHosts(hosts: string, portDefault: number): Target['addresses'] {
  const found = hosts.split(',').map((text) => {
    const match = /^(\[[0-9a-f:.]+\]|[^:[\]]*)(?::(\d{1,5}))?$/i.exec(text);
    const port = Number(match?.[2] ?? portDefault);
    if (match === null || port < 1 || port > 65_535)
      throw new InvalidArgumentError(`a host is "name:port" or "[address]:port", as in ${forms}`);
    return { host: (match[1] || 'localhost').replace(/^\[|\]$/g, ''), port };
  });
  return found as [Address, ...Address[]];
}

function parseLogin(login: string | undefined): Pick<Target, 'username' | 'password'> {
  if (login === undefined || login === '') return {};
  const [username = '', ...password] = login.split(':');
  return {
    ...(username === '' ? {} : { username: decode(username) }),
    ...(password.length === 0 ? {} : { password: decode(password.join(':')) }),
  };
}

function parseDatabase(parts: readonly string[], kind: Target['kind']): number {
  const [text = '', ...excess] = parts;
  if (text === '' && excess.length === 0) return 0;
  if (excess.length > 0 || !/^\d{1,4}$/.test(text)) throw new InvalidArgumentError(`the database is a number, as in ${forms}`);
  if (kind === 'cluster' && Number(text) !== 0) throw new InvalidArgumentError('a Cluster has the database 0 only: leave it out');
  return Number(text);
}

function parseQuery(query: string): RedisOptions {
  const parameters = new URLSearchParams(query);
  for (const key of parameters.keys()) {
    if (key !== 'prefix') throw new InvalidArgumentError(`the URL has the unknown parameter "${key}": only prefix is known`);
  }
  const prefix = parameters.get('prefix');
  return prefix === null ? {} : { prefix };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidArgumentError('the URL has a "%" that starts no escape: write it as %25');
  }
}
