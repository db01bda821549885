import { setTimeout as sleep } from 'node:timers/promises';
import { BackendUnavailableError } from '../../core/errors.js';
import { type Driver, NotConnectedError, type Reply } from './driver.js';
import { openUrl } from './drivers/open.js';
import { parseUrl } from './url.js';

const connectMsMax = 3_000;
/** With usual settings a failover takes seconds; replicas that lag are given some time. */
const changeMsMax = 60_000;
const lookEveryMs = 100;

/**
 * Has the sentinels of a URL make another server the master: an operator's failover, for drills. Undefined where the URL names no sentinels.
 * The function resolves when they name another master.
 *
 * @throws BackendUnavailableError where no sentinel answers, refuses (there is no replica to promote), or none takes over in time
 */
export function sentinelFailover(url: string): (() => Promise<void>) | undefined {
  const { kind, addresses, master = '' } = parseUrl(url);
  if (kind !== 'sentinel') return undefined;
  return async () => {
    const [{ host, port }] = addresses;
    const { driver } = await openUrl(`redis://${host.includes(':') ? `[${host}]` : host}:${port}`);
    try {
      const before = await masterOf(driver, master);
      await asked(driver, ['SENTINEL', 'FAILOVER', master]);
      for (const endMs = performance.now() + changeMsMax; (await masterOf(driver, master)) === before; await sleep(lookEveryMs)) {
        if (performance.now() > endMs)
          throw new BackendUnavailableError('Redis: the sentinels named no other master: see their log');
      }
    } finally {
      driver.close();
    }
  };
}

async function masterOf(driver: Driver, master: string): Promise<string> {
  return JSON.stringify(await asked(driver, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]));
}

/** The connection is made meanwhile. */
async function asked(driver: Driver, words: readonly string[]): Promise<Reply> {
  for (const endMs = performance.now() + connectMsMax; ; await sleep(lookEveryMs)) {
    try {
      return await driver.command('', words);
    } catch (cause) {
      if (cause instanceof NotConnectedError && performance.now() < endMs) continue;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BackendUnavailableError(`Redis: the sentinel did not do ${words.slice(0, 2).join(' ')}: ${why}`, { cause });
    }
  }
}
