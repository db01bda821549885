import type { Backend } from '../../core/backend.js';
import { systemPorts } from '../../core/clock.js';
import { InvalidArgumentError, NotSupportedError } from '../../core/errors.js';
import type { Driver } from '../redis/driver.js';
import { openUrl } from '../redis/drivers/open.js';
import { driverOf, type RedisClient } from '../redis/drivers/shape.js';
import { RedlockBackend } from './backend.js';
import { parseOptions, type RedlockOptions } from './options.js';
import { nameOf } from './redis/name.js';
import { RedisNode } from './redis/node.js';
import { parseNodesUrl } from './url.js';

export type { RedisClient, RedlockOptions };

/**
 * Leases on a majority of independent Redis servers, through the clients that the application has: one for each server, in any
 * order. The clients stay the application's: they are not closed, and one more connection to each server is opened for wake-ups
 * when somebody first has to wait.
 *
 * @param clients three, five, or another odd number of them
 * @throws InvalidArgumentError, NotSupportedError
 */
export function redlock(clients: readonly RedisClient[], options?: RedlockOptions): Backend {
  const settings = parseOptions(options);
  checkCount(clients.length);
  checkDistinct(clients);
  const drivers = clients.map(driverOf);
  for (const driver of drivers) checkSingle(driver);
  const ports = systemPorts();
  const nodes = drivers.map((driver, i) => new RedisNode(nameOf(clients[i], i), driver, settings, ports));
  return new RedlockBackend(nodes, settings, ports);
}

/**
 * `redlock://user:password@a:6379,b:6379,c:6379/0`, `redlock+tls://…` with TLS; options are parameters: `?newNodes=trust`.
 *
 * @param library which client to connect with; by default `ioredis` or `redis`, whichever is installed
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function redlockFromUrl(url: string, library?: 'ioredis' | 'redis'): Promise<Backend> {
  const { urls, names, options } = parseNodesUrl(url);
  const settings = parseOptions(options);
  checkCount(urls.length);
  const opened = await Promise.all(urls.map((one) => openUrl(one, library)));
  const ports = systemPorts();
  const nodes = opened.map(({ driver, tool }, i) => new RedisNode(names[i] ?? '', driver, settings, ports, tool));
  return new RedlockBackend(nodes, settings, ports);
}

function checkCount(count: number): void {
  if (count >= 3 && count % 2 === 1) return;
  const why =
    count < 3
      ? 'with fewer, a majority is all of them, and one failure stops everything: take holdfast/redis for one server'
      : `${count} nodes survive the loss of as many as ${count - 1} do, and one more can fail: leave one out, or add one`;
  throw new InvalidArgumentError(`Redlock needs 3, 5 or another odd number of nodes, not ${count}: ${why}`);
}

function checkDistinct(clients: readonly RedisClient[]): void {
  const seen = new Map<RedisClient, number>();
  for (const [index, client] of clients.entries()) {
    const first = seen.get(client);
    if (first !== undefined) {
      throw new InvalidArgumentError(
        `nodes ${first + 1} and ${index + 1} are the same client: its server would vote twice; give each node a server of its own`,
      );
    }
    seen.set(client, index);
  }
}

function checkSingle(driver: Driver): void {
  if (!driver.cluster) return;
  throw new NotSupportedError(
    'a Cluster client cannot be a node: each node is one server; give redlock() clients of single servers, or take holdfast/redis for the Cluster',
  );
}
