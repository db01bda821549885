import { readFile } from 'node:fs/promises';
import { messageOf } from '../../core/calls.js';
import { InvalidArgumentError } from '../../core/errors.js';
import type { ConsulOptions, ConsulTls } from './options.js';

/** Where a URL leads. */
export interface Target {
  readonly options: ConsulOptions;
  /** As Consul's own tools take them: `-ca-file`, `-client-cert`, `-client-key`. */
  readonly files: Readonly<Record<'cacert' | 'cert' | 'key', string | undefined>>;
}

const forms =
  'consul://host:8500,host:8500?token=TOKEN&dc=DATACENTER&prefix=holdfast/ or, with TLS, consul+tls://host:8501?cacert=FILE&cert=FILE&key=FILE';
const parameters = ['token', 'tokenfile', 'dc', 'prefix', 'cacert', 'cert', 'key', 'servername'];
const ports = { plain: 8500, tls: 8501 };

/**
 * Several agents are parted by commas; the port may be left out.
 *
 * @throws InvalidArgumentError; its message repeats nothing of the URL but names of parameters: it may hold a token
 */
export function parseUrl(url: string): Target & { readonly tokenFile: string | undefined } {
  const match = /^consul(\+tls)?:\/\/([^@/?#]*)\/?(?:\?([^#]*))?$/i.exec(url);
  if (match === null) throw new InvalidArgumentError(`this is no Consul URL: write it like ${forms}`);
  const [, secure, hosts = '', query = ''] = match;
  const given = new URLSearchParams(query);
  for (const name of given.keys()) {
    if (!parameters.includes(name)) {
      throw new InvalidArgumentError(`the URL has the unknown parameter "${name}": known are ${parameters.join(', ')}`);
    }
  }
  const tls = secure !== undefined;
  if (!tls && ['cacert', 'cert', 'key', 'servername'].some((name) => given.has(name))) {
    throw new InvalidArgumentError('the URL names certificates, but asks for no TLS: write consul+tls:// instead of consul://');
  }
  const text = (name: string) => given.get(name) ?? undefined;
  const [token, datacenter, prefix, servername] = ['token', 'dc', 'prefix', 'servername'].map(text);
  return {
    options: {
      addresses: hosts.split(',').map((host) => parseHost(host, tls)),
      ...(token === undefined ? {} : { token }),
      ...(datacenter === undefined ? {} : { datacenter }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(servername === undefined ? {} : { tls: { servername } }),
    },
    files: { cacert: text('cacert'), cert: text('cert'), key: text('key') },
    tokenFile: text('tokenfile'),
  };
}

/** The options that a URL stands for. @throws InvalidArgumentError */
export async function optionsOf(url: string): Promise<ConsulOptions> {
  const { options, files, tokenFile } = parseUrl(url);
  const tls: Record<string, unknown> = { ...options.tls };
  for (const [option, name] of [
    ['ca', 'cacert'],
    ['cert', 'cert'],
    ['key', 'key'],
  ] as const) {
    if (files[name] !== undefined) tls[option] = await read(name, files[name]);
  }
  const token = tokenFile === undefined ? {} : { token: (await read('tokenfile', tokenFile)).toString('utf8').trim() };
  return { ...options, ...token, ...(Object.keys(tls).length > 0 ? { tls: tls as ConsulTls } : {}) };
}

async function read(what: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new InvalidArgumentError(`the file given as ${what} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function parseHost(text: string, tls: boolean): string {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s]*)(?::(\d{1,5}))?$/i.exec(text);
  const port = Number(match?.[2] ?? (tls ? ports.tls : ports.plain));
  if (match === null || port < 1 || port > 65_535) {
    throw new InvalidArgumentError(`an agent is "name:port" or "[address]:port", as in ${forms}`);
  }
  return `${tls ? 'https' : 'http'}://${match[1] || 'localhost'}:${port}`;
}
