import { afterEach } from 'vitest';
import { RedisSentinels } from '../support/redis-sentinel.js';
import { until } from '../support/waits.js';

interface Closed {
  close(): unknown;
}

/** Servers under sentinels, and what each test opens on them; closed after it, the last first. */
export function sentinelScene() {
  const open: Closed[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });
  const keep = <T extends Closed>(one: T): T => {
    open.push(one);
    return one;
  };
  return {
    keep,
    async start(): Promise<RedisSentinels> {
      const servers = await RedisSentinels.start();
      keep({ close: () => servers.stop() });
      return servers;
    },
  };
}

/** A failover takes seconds, in which calls fail. */
export function comesTrue(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const now = async () => isSo();
  return until(() => now().catch(() => false), what, 20_000);
}
