import { join } from 'node:path';
import { Holdfast } from 'holdfast';
import { sqlite } from 'holdfast/sqlite';

/** As the README shows it: `request`, default options. */
export function open({ folder, ttlMs }) {
  const backend = sqlite(join(folder, 'holdfast.db'));
  const renewCalls = countRenewCalls(backend);
  const locks = new Holdfast(backend, { ttlMs });
  return {
    pair: (name, work) => locks.request(name, work),
    async hold(names) {
      const leases = await Promise.all(names.map((name) => locks.acquire(name)));
      return () => Promise.all(leases.map((lease) => lease.release()));
    },
    renewCalls,
    close: () => locks.close(),
  };
}

function countRenewCalls(backend) {
  let calls = 0;
  const renew = backend.renew.bind(backend);
  backend.renew = (holds) => {
    calls++;
    return renew(holds);
  };
  return () => calls;
}
