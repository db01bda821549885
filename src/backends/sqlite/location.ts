import os from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { InvalidArgumentError } from '../../core/errors.js';

export interface SqliteOptions {
  /** The database file. Made, with its directory, if it is not there. Default: `locks.db` in `$XDG_STATE_HOME/holdfast`. */
  readonly path?: string;
  /**
   * `normal`: a commit survives the death of the process. `full`: also a power loss, at several times the price; it gains
   * little, because a reboot ends every lease anyway and fences have the clock as their floor.
   */
  readonly synchronous?: 'normal' | 'full';
  /** How long a call goes on while another process has the file locked. Default: 4,000, below core's own deadline of a call. */
  readonly busyMs?: number;
}

export interface Settings {
  readonly path: string;
  readonly synchronous: 'normal' | 'full';
  readonly busyMs: number;
}

const busyMsDefault = 4_000;

/** @throws InvalidArgumentError */
export function parseOptions(given: string | SqliteOptions = {}): Settings {
  const options = typeof given === 'string' ? { path: given } : given;
  const { path = defaultPath(), synchronous = 'normal', busyMs = busyMsDefault } = options;
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new InvalidArgumentError('the path of the SQLite file must be a non-empty string: leave it out for the default place');
  }
  if (path.startsWith(':') || path.startsWith('file:')) {
    throw new InvalidArgumentError(`"${path}" is no file that two processes can share: give a path, or use holdfast/memory`);
  }
  if (synchronous !== 'normal' && synchronous !== 'full') {
    throw new InvalidArgumentError(`synchronous must be "normal" or "full", not "${String(synchronous)}"`);
  }
  if (!Number.isFinite(busyMs) || busyMs < 0)
    throw new InvalidArgumentError('busyMs must be a number of milliseconds, 0 or more');
  return { path: resolve(path), synchronous, busyMs };
}

/** `sqlite:`, `sqlite:relative.db`, `sqlite:/abs.db`, `sqlite:///abs.db`, each with `?synchronous=full`. */
export function parseUrl(url: string): Settings {
  const match = /^sqlite:(?!\/\/[^/?])(?:\/\/(?=\/|$|\?))?([^?#]*)(?:\?([^#]*))?$/i.exec(url);
  if (match === null)
    throw new InvalidArgumentError(`"${url}" is no SQLite URL: write sqlite:/absolute/path.db, sqlite:relative.db or sqlite:`);
  const [, encoded = '', query = ''] = match;
  const parameters = new URLSearchParams(query);
  for (const key of parameters.keys()) {
    if (key !== 'synchronous')
      throw new InvalidArgumentError(`"${url}" has the unknown parameter "${key}": only synchronous is known`);
  }
  const synchronous = parameters.get('synchronous') as 'normal' | 'full' | null;
  return parseOptions({
    ...(encoded === '' ? {} : { path: decode(encoded, url) }),
    ...(synchronous === null ? {} : { synchronous }),
  });
}

function decode(encoded: string, url: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new InvalidArgumentError(`"${url}" has a "%" that starts no escape: write it as %25`);
  }
}

/** https://specifications.freedesktop.org/basedir-spec: state that persists, but matters to nobody else. */
function defaultPath(): string {
  const state = process.env['XDG_STATE_HOME'];
  // The specification: a relative path there is invalid and to be ignored.
  return join(state?.startsWith('/') ? state : join(os.homedir(), '.local', 'state'), 'holdfast', 'locks.db');
}
