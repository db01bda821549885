import { InvalidArgumentError } from '../../core/errors.js';
import { parseUrl } from '../redis/url.js';
import type { RedlockOptions } from './options.js';

const form = 'redlock://user:password@a:6379,b:6379,c:6379/0';
const schemes: Readonly<Record<string, string>> = { redlock: 'redis', 'redlock+tls': 'rediss' };
const numbers = ['nodeTimeoutMs', 'maxTtlMs', 'fenceRetentionMs'] as const;
const known = ['prefix', 'newNodes', ...numbers];

export interface Nodes {
  /** A Redis URL for each node. */
  readonly urls: readonly string[];
  /** For messages. */
  readonly names: readonly string[];
  readonly options: RedlockOptions;
}

/**
 * `redlock://user:password@a:6379,b:6379,c:6379/0`: the login and the database are the same on all. Options are parameters.
 *
 * @throws InvalidArgumentError; its message repeats nothing of the URL, which may hold a password
 */
export function parseNodesUrl(url: string): Nodes {
  const match = /^([a-z+]+):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(url);
  const scheme = schemes[match?.[1]?.toLowerCase() ?? ''];
  if (match === null || scheme === undefined) throw new InvalidArgumentError(`this is no Redlock URL: write it like ${form}`);
  const [, , login, hosts = '', path = '', query = ''] = match;
  const urls = hosts.split(',').map((host) => `${scheme}://${login === undefined ? '' : `${login}@`}${host}${path}`);
  // All of them are checked here: what is wrong with one is then said before any is opened.
  const names = urls.map((one) => {
    const [{ host, port }] = parseUrl(one).addresses;
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
  });
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InvalidArgumentError(`${twice} is named twice: each node is a server of its own`);
  return { urls, names, options: parseQuery(query) };
}

function parseQuery(query: string): RedlockOptions {
  const options: Record<string, string | number> = {};
  for (const [key, value] of new URLSearchParams(query)) {
    if (!known.includes(key)) {
      throw new InvalidArgumentError(`the URL has the unknown parameter "${key}": known are ${known.join(', ')}`);
    }
    options[key] = (numbers as readonly string[]).includes(key) ? Number(value === '' ? Number.NaN : value) : value;
  }
  return options as RedlockOptions;
}
