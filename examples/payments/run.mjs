import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { audit } from './audit.mjs';
import { Child } from './driver/children.mjs';
import { drive } from './driver/driver.mjs';
import { Faults } from './driver/faults.mjs';
import { plan } from './driver/plan.mjs';
import { Workers } from './driver/workers.mjs';
import { openStores } from './stores/open.mjs';
import { Subscriber } from './subscriber.mjs';

/** One run: start everything, send requests while things go wrong, let it settle, stop, and compare the books. */
export async function run(options, folder, say, cleanup) {
  const { guards, stores: kind, seed, faults: withFaults } = options;
  const servers = await startServers(kind, folder, cleanup);
  const provider = await Child.start(
    'provider/main.mjs',
    { folder, guards, seed, faults: withFaults },
    { folder, name: 'provider' },
  );
  cleanup.defer(() => provider.end());
  const subscriber = await Subscriber.start(join(folder, 'events.jsonl'));
  cleanup.defer(() => subscriber.close());

  const stores = await openStores({ folder, guards, stores: kind, ports: servers });
  cleanup.defer(() => stores.close());
  await stores.setUp();

  const settings = { folder, guards, stores: kind, subscriberPort: subscriber.port };
  const workers = await Workers.start(options.workers, settings, { provider: provider.ready.port, ...servers }, folder);
  cleanup.defer(() => workers.close('SIGKILL'));
  const faults = new Faults(seed, workers, say);
  const goingWrong = withFaults ? faults.run() : undefined;
  const startMs = performance.now();
  const { told, answers } = await drive(plan(options), workers.all, { seed, say });
  await faults.stop();
  await goingWrong;
  say('all clients have their answers; what is still in the network arrives now');
  const deliveredLast = await faults.deliver();
  await settled(stores, say);
  await workers.close('SIGTERM');

  const found = await audit({ folder, stores, told });
  const tookMs = Math.round(performance.now() - startMs);
  return {
    ...found,
    answers,
    faults: faults.counts,
    crashes: workers.crashes,
    deliveredLast,
    repeatedEvents: subscriber.repeated,
    tookMs,
  };
}

async function startServers(kind, folder, cleanup) {
  if (kind === 'sqlite') return {};
  return (await import('./driver/servers.mjs')).startServers(folder, cleanup);
}

/** Waits until nothing is frozen and every event was published; not for ever: what is left then is for the audit to tell. */
async function settled({ records, ledger }, say) {
  for (const endMs = performance.now() + 30_000; performance.now() < endMs; await pause(250)) {
    const waiting = (await ledger.eventsWaiting()) + (await openRequests(records));
    if (waiting === 0) return;
  }
  say('not everything has settled within 30 s');
}

async function openRequests(records) {
  let open = 0;
  for await (const { value } of records.list('idempotency/'))
    if (/^(FROZEN|PROCESSING)$/.test(JSON.parse(value).state)) open += 1;
  return open;
}
