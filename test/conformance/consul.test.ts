import { afterAll, beforeAll, describe, it } from 'vitest';
import { consul } from '../../src/backends/consul/index.js';
import { runConformance } from '../../src/testkit/index.js';
import { consulIsMissing, type SomeConsul, startSomeConsul } from '../support/consul-server.js';

let server: SomeConsul;
beforeAll(async () => {
  server = await startSomeConsul();
});
runConformance(
  { describe, it, after: afterAll, concurrently: describe.concurrent },
  {
    name: consulIsMissing ? 'consul (on what stands for it)' : 'consul',
    open: () => consul({ addresses: [server.address] }),
    forgetEverything: () => server.forget(),
    close: () => server.stop(),
  },
);
