import { randomBytes } from 'node:crypto';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Driver } from '../driver.js';
import type { Server } from './server.js';

/** Whether a message comes through, from end to end, on a connection like the one for wake-ups. */
export async function listens(driver: Driver, server: Server, prefix: string, timeoutMs: number): Promise<boolean> {
  const channel = `${prefix}~wake:probe:${randomBytes(12).toString('base64url')}`;
  let stop = () => {};
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
      const publish = () => void server.ask('PUBLISH', channel, '').catch(() => {});
      stop = driver.subscribe(channel, () => resolve(true), publish);
    });
  } finally {
    clearTimeout(timer);
    stop();
  }
}
