import { clearTimeout, setTimeout } from 'node:timers';
import type { Stop } from '../../../core/backend.js';

/** What ioredis' client shows of its connection. */
interface Reopened {
  connect(): Promise<void>;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'end', listener: () => void): unknown;
}

const pauseMs = 100;

/**
 * Opens a client of our own again where ioredis has ended it for good by itself. It does so (as of 5.9 and 6.0) when its
 * `failoverDetector` hears of a new master while it asks a sentinel for the old one's address: it takes its own hanging up for
 * the application's. Call what is returned before the client is disconnected.
 */
export function reopening(client: Reopened): Stop {
  let timer: NodeJS.Timeout | undefined;
  const ended = () => {
    clearTimeout(timer);
    // Whatever goes wrong is said in the events `error` and, once more, `end`.
    timer = setTimeout(() => void client.connect().catch(() => {}), pauseMs);
  };
  client.on('end', ended);
  return () => {
    client.off('end', ended);
    clearTimeout(timer);
  };
}
