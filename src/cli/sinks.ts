import type { Guard } from '../core/guard.js';
import { nearest } from '../core/nearest.js';
import type { OpenGuard } from '../guards/installed.js';
import { usage } from './exit.js';
import { loadModule } from './module.js';

type Open = (url: string) => Promise<OpenGuard>;

/** URL scheme → sink. Each is loaded when it is asked for. */
const sinks: Readonly<Record<string, () => Promise<Open>>> = {
  postgres: async () => (await import('../guards/postgres/open.js')).openGuard,
  postgresql: async () => (await import('../guards/postgres/open.js')).openGuard,
  mysql: async () => (await import('../guards/mysql/open.js')).openGuard,
  mariadb: async () => (await import('../guards/mysql/open.js')).openGuard,
  redis: async () => (await import('../guards/redis/open.js')).openGuard,
  rediss: async () => (await import('../guards/redis/open.js')).openGuard,
  dynamodb: async () => (await import('../guards/dynamodb/open.js')).openGuard,
  s3: async () => (await import('../guards/s3/open.js')).openGuard,
};

/** A sink by its URL, or by the file of a module that makes its guard. @throws CliError */
export async function openSink(target: string): Promise<OpenGuard> {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(target)?.[1]?.toLowerCase();
  if (scheme === undefined) return { guard: await imported(target), close: async () => {} };
  const open = Object.hasOwn(sinks, scheme) ? sinks[scheme] : undefined;
  if (open !== undefined) return (await open())(target);
  // Only the scheme is repeated: the rest of a URL may hold a password.
  const guess = nearest(scheme, Object.keys(sinks));
  const known = Object.keys(sinks).map((one) => `${one}:`);
  const hint = guess === undefined ? `known ones are ${known.join(', ')}, http: and https:` : `did you mean ${guess}:?`;
  throw usage(`no guard for "${scheme}:" URLs: ${hint}`);
}

/** A module whose default export is a guard, or a function that makes one. */
async function imported(file: string): Promise<Guard<unknown>> {
  const { default: whole } = (await loadModule(file)).exports;
  const made: unknown = typeof whole === 'function' ? await (whole as () => unknown)() : whole;
  const shape = Object(made) as Partial<Guard<unknown>>;
  if ([shape.run, shape.raise, shape.mark].every((method) => typeof method === 'function')) return made as Guard<unknown>;
  throw usage(`${file} exports no guard: its default export must be one, or a function that makes one`);
}
