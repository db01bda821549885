import type { Ports } from './clock.js';

/** Ends after `delayMs`, or when the signal is aborted. Never rejects. */
export function pause(ports: Ports, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = ports.timer(delayMs, done);
    function done() {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
    if (signal?.aborted === true) done();
  });
}
