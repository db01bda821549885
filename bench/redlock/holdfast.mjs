import { Holdfast } from 'holdfast';
import { redlock } from 'holdfast/redlock';
import { disconnectAll } from './clients.mjs';

/** As its page shows it: `request`, default options; the nodes are new. */
export function storeOf(clients, ttlMs) {
  const backend = redlock(clients, { newNodes: 'trust' });
  const locks = new Holdfast(backend, { ttlMs });
  return {
    pair: (name, work) => locks.request(name, work),
    figures: () => ({ grants: backend.tally.granted, secondRounds: backend.tally.wroteBack }),
    async close() {
      await locks.close();
      disconnectAll(clients);
    },
  };
}
