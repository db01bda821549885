import { writeSync } from 'node:fs';
import process from 'node:process';
import type { Happening } from '../protocol.js';

/** At once, and not when the event loop comes round: a worker may be stopped or killed the moment after. */
export function say(happening: Happening): void {
  const bytes = Buffer.from(`${JSON.stringify(happening)}\n`);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.exit(0);
      standStill(1);
    }
  }
}

/** Nothing else of this process runs meanwhile. */
export function standStill(forMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}
