import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { runConformance } from '../../src/testkit/index.js';
import { redisIsMissing } from './redis-server.js';
import { RedlockNodes } from './redlock-nodes.js';

/** The suite on so many servers of its own, through one client library. */
export function redlockConformance(count: number, library: string): void {
  describe.skipIf(redisIsMissing)(`${count} nodes, ${library}`, () => {
    let nodes: RedlockNodes;
    beforeAll(async () => {
      nodes = await RedlockNodes.start(count);
    });
    runConformance(
      { describe, it, after: afterAll },
      {
        name: `redlock (${count} nodes, ${library})`,
        open: () => nodes.open(library),
        async forgetEverything() {
          await nodes.command('FLUSHALL');
          // A grant does not wait for stragglers, whose votes may come after that.
          await sleep(100);
          await nodes.command('FLUSHALL');
        },
        async close() {
          try {
            await nodes.assertClean();
          } finally {
            await nodes.stop();
          }
        },
      },
    );
  });
}
