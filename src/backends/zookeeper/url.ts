import { InvalidArgumentError, NotSupportedError } from '../../core/errors.js';
import type { ClientFactory } from './client.js';
import type { ZooKeeperOptions } from './options.js';

const form = 'zk://user:password@host:2181,host:2181/node?root=/holdfast';
const portDefault = 2181;
/** A server that is back should not wait for a second to be tried. */
const spinDelayMs = 200;

interface Target {
  /** As the library wants them. */
  readonly servers: string;
  readonly login: string | undefined;
  readonly root: string;
  readonly open: boolean;
}

/**
 * The path is the node below which the root is made. Everybody may do everything with the nodes where there is no login;
 * where there is one, only who has it, unless `?acl=open`.
 *
 * @throws InvalidArgumentError; its message repeats nothing of the URL, which may hold a password
 */
export function parseUrl(url: string): Target {
  const match = /^zk:\/\/(?:([^@/?#]*)@)?([^@/?#]*)((?:\/[^?#]*)?)(?:\?([^#]*))?$/i.exec(url);
  if (match === null) throw new InvalidArgumentError(`this is no ZooKeeper URL: write it like ${form}`);
  const [, login, hosts = '', path = '', query = ''] = match;
  const parameters = new URLSearchParams(query);
  for (const key of parameters.keys()) {
    if (key !== 'root' && key !== 'acl')
      throw new InvalidArgumentError(`the URL has the unknown parameter "${key}": only root and acl are known`);
  }
  const acl = parameters.get('acl') ?? (login ? 'creator' : 'open');
  if (acl !== 'open' && acl !== 'creator') throw new InvalidArgumentError('the acl in the URL is "open" or "creator"');
  if (login !== undefined && !/^[^:]+:./.test(login)) throw new InvalidArgumentError(`a login is "user:password", as in ${form}`);
  return {
    servers: hosts.split(',').map(parseHost).join(','),
    login: login === undefined ? undefined : decode(login),
    root: decode(path).replace(/\/+$/, '') + (parameters.get('root') ?? '/holdfast'),
    open: acl === 'open',
  };
}

/** The library takes no addresses in brackets. */
function parseHost(text: string): string {
  const match = /^([^:[\]\s]+)(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[2] ?? portDefault);
  if (match === null || port < 1 || port > 65_535) throw new InvalidArgumentError(`a host is "name:port", as in ${form}`);
  return `${match[1]}:${port}`;
}

/** @throws InvalidArgumentError, NotSupportedError */
export async function openUrl(url: string): Promise<{ readonly open: ClientFactory; readonly options: ZooKeeperOptions }> {
  const { servers, login, root, open } = parseUrl(url);
  const library = await load();
  return {
    open: (sessionTimeout) => {
      const client = library.createClient(servers, { sessionTimeout, spinDelay: spinDelayMs });
      if (login !== undefined) client.addAuthInfo('digest', Buffer.from(login));
      return client;
    },
    options: { root, ...(open ? {} : { acl: [new library.ACL(library.Permission.ALL, new library.Id('auth', ''))] }) },
  };
}

async function load(): Promise<typeof import('node-zookeeper-client')> {
  try {
    return (await import('node-zookeeper-client')).default;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new NotSupportedError('no ZooKeeper client is installed: run "npm install node-zookeeper-client"', { cause: error });
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidArgumentError('the URL has a "%" that starts no escape: write it as %25');
  }
}
