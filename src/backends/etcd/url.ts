import { readFile } from 'node:fs/promises';
import { messageOf } from '../../core/calls.js';
import { InvalidArgumentError, NotSupportedError } from '../../core/errors.js';
import type { GrpcModule } from './grpc.js';
import type { EtcdOptions } from './options.js';

/** Where a URL leads, and with which words one is let in. */
export interface Target {
  readonly tls: boolean;
  readonly endpoints: readonly string[];
  readonly user?: { readonly name: string; readonly password: string };
  readonly prefix?: string;
  /** Files, as etcdctl takes them: `--cacert`, `--cert`, `--key`. */
  readonly files: { readonly cacert?: string; readonly cert?: string; readonly key?: string };
}

const forms =
  'etcd://user:password@host:2379,host:2379?prefix=holdfast/ or, with TLS, etcd+tls://host:2379?cacert=FILE&cert=FILE&key=FILE';
const parameters = ['prefix', 'cacert', 'cert', 'key'] as const;
const portDefault = 2379;

/**
 * Several members are parted by commas; user, password and port may be left out.
 *
 * @throws InvalidArgumentError; its message repeats nothing of the URL, which may hold a password
 */
export function parseUrl(url: string): Target {
  const match = /^etcd(\+tls)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)\/?(?:\?([^#]*))?$/i.exec(url);
  if (match === null) throw new InvalidArgumentError(`this is no etcd URL: write it like ${forms}`);
  const [, secure, login, hosts = '', query = ''] = match;
  const { prefix, ...files } = parseQuery(query);
  const tls = secure !== undefined;
  if (!tls && Object.keys(files).length > 0) {
    throw new InvalidArgumentError('the URL names certificates, but asks for no TLS: write etcd+tls:// instead of etcd://');
  }
  const user = parseLogin(login);
  return {
    tls,
    endpoints: hosts.split(',').map(parseHost),
    ...(user === undefined ? {} : { user }),
    ...(prefix === undefined ? {} : { prefix }),
    files,
  };
}

/** The options that a URL stands for, with grpc-js as it is installed. @throws InvalidArgumentError, NotSupportedError */
export async function optionsOf(url: string): Promise<EtcdOptions> {
  const { tls, endpoints, user, prefix, files } = parseUrl(url);
  const grpc = await installed();
  const { cacert, cert, key } = files;
  const credentials = tls
    ? grpc.credentials.createSsl(await read('cacert', cacert), await read('key', key), await read('cert', cert))
    : grpc.credentials.createInsecure();
  return {
    grpc: grpc as GrpcModule,
    endpoints,
    credentials,
    ...(user === undefined ? {} : { user }),
    ...(prefix === undefined ? {} : { prefix }),
  };
}

async function installed() {
  try {
    return await import('@grpc/grpc-js');
  } catch (cause) {
    throw new NotSupportedError('etcd URLs need the package @grpc/grpc-js: npm install @grpc/grpc-js', { cause });
  }
}

async function read(what: string, file: string | undefined): Promise<Buffer | null> {
  if (file === undefined) return null;
  try {
    return await readFile(file);
  } catch (cause) {
    throw new InvalidArgumentError(`the file given as ${what} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function parseHost(text: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s]*)(?::(\d{1,5}))?$/i.exec(text);
  const port = Number(match?.[2] ?? portDefault);
  if (match === null || port < 1 || port > 65_535) {
    throw new InvalidArgumentError(`a member is "name:port" or "[address]:port", as in ${forms}`);
  }
  return `${match[1] || 'localhost'}:${port}`;
}

function parseLogin(login: string | undefined): Target['user'] {
  if (login === undefined || login === '') return undefined;
  const [name = '', ...password] = login.split(':');
  if (name === '' || password.length === 0) throw new InvalidArgumentError(`a user has a name and a password, as in ${forms}`);
  return { name: decode(name), password: decode(password.join(':')) };
}

function parseQuery(query: string): { prefix?: string; cacert?: string; cert?: string; key?: string } {
  const given = new URLSearchParams(query);
  for (const name of given.keys()) {
    if (!(parameters as readonly string[]).includes(name)) {
      throw new InvalidArgumentError(`the URL has the unknown parameter "${name}": known are ${parameters.join(', ')}`);
    }
  }
  return Object.fromEntries(given);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidArgumentError('the URL has a "%" that starts no escape: write it as %25');
  }
}
