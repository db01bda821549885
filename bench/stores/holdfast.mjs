import { Holdfast } from 'holdfast';
import { takeAll } from '../lib/leases.mjs';

/** As the pages of the stores show it: `request`, default options. */
export function storeOf(backend, ttlMs, { disconnect = () => {}, ...counted } = {}) {
  const locks = new Holdfast(backend, { ttlMs });
  return {
    pair: (name, work) => locks.request(name, work),
    hold: (names) =>
      takeAll(names, async (name) => {
        const lease = await locks.acquire(name);
        return () => {
          lease.assertHeld();
          return lease.release();
        };
      }),
    async close() {
      await locks.close();
      await disconnect();
    },
    ...counted,
  };
}

/** Our line of the tables. */
export function holdfast(settings, of = {}) {
  return {
    key: 'holdfast',
    label: 'Holdfast',
    ours: true,
    settings: `${settings}; \`locks.request(name, work)\`, all options as they come, TTL 6 s; \`locks.acquire\` for \`held\``,
    ...of,
  };
}
