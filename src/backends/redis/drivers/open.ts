import { InvalidArgumentError, NotSupportedError } from '../../../core/errors.js';
import type { Driver } from '../driver.js';
import type { RedisOptions } from '../options.js';
import { toolOf } from '../tool.js';
import { parseUrl, type Target } from '../url.js';
import { withIoredis } from './open-ioredis.js';
import { withNodeRedis } from './open-node-redis.js';

/** In the order in which they are tried. Undefined: not installed. */
const libraries = { ioredis: withIoredis, redis: withNodeRedis } as const satisfies Record<
  string,
  (target: Target) => Promise<Driver | undefined>
>;

/**
 * A client of our own, of the library asked for, or else of whichever is installed.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function openUrl(
  url: string,
  library?: keyof typeof libraries,
): Promise<{ readonly driver: Driver; readonly options: RedisOptions; readonly tool: string }> {
  const target = parseUrl(url);
  if (library !== undefined && !Object.hasOwn(libraries, library)) {
    throw new InvalidArgumentError(`the library is "ioredis" or "redis", not ${JSON.stringify(library)}`);
  }
  for (const open of library === undefined ? Object.values(libraries) : [libraries[library]]) {
    const driver = await open(target);
    if (driver !== undefined) return { driver, options: target.options, tool: toolOf(target) };
  }
  const wanted = library ?? 'ioredis';
  throw new NotSupportedError(
    `${library === undefined ? 'no Redis client is' : `"${library}" is not`} installed: run "npm install ${wanted}"`,
  );
}
