// A worker of the service. Several run; each may be frozen, killed or cut off at any moment.
import Fastify from 'fastify';
import { idempotent } from 'holdfast/idempotency';
import { fastifyIdempotency } from 'holdfast/idempotency/fastify';
import { openStores } from '../stores/open.mjs';
import { tellParent } from '../tell-parent.mjs';
import { times } from '../times.mjs';
import { payments } from './payments.mjs';
import { Provider } from './provider.mjs';
import { reconciling } from './reconciling.mjs';

const settings = JSON.parse(process.argv[2]);
const stores = await openStores(settings);
const provider = new Provider(`http://127.0.0.1:${settings.ports.provider}`, settings);
const requests = idempotent(stores.records, {
  operation: 'payment',
  leaseTtlMs: times.leaseTtlMs,
  callTimeoutMs: times.storeTimeoutMs,
});

const app = Fastify({ logger: { level: 'warn' }, forceCloseConnections: true });
await app.register(fastifyIdempotency(requests, { waitMs: 300 }));
app.post('/payments', payments({ provider, ledger: stores.ledger }));

const candidates = [
  reconciling({ ...stores, provider, guards: settings.guards }),
  stores.relay(`http://127.0.0.1:${settings.subscriberPort}`),
];
await app.listen({ port: 0, host: '127.0.0.1' });
tellParent({ port: app.server.address().port });

process.once('SIGTERM', async () => {
  await app.close();
  await Promise.all(candidates.map((candidate) => candidate.close()));
  await requests.close();
  await stores.close();
  process.exit(0);
});
