import type { Finding } from '../../../core/backend.js';
import type { Driver } from '../driver.js';
import type { Settings } from '../options.js';
import { againstEachOther, againstOurs, type Reading, readClock, unseen } from './clocks.js';
import { addressOf, factsOf } from './facts.js';
import { keyspace } from './keyspace.js';
import { memory } from './memory.js';
import { merged, type Seen } from './merge.js';
import { permissions } from './permissions.js';
import { persistence } from './persistence.js';
import { replicaAddresses, replicas } from './replicas.js';
import { isUnready, Server } from './server.js';
import { topology } from './topology.js';
import { version } from './version.js';

/**
 * What could make this store unsafe, read from every server that owns keys. What the user may not ask is a finding of its
 * own, and no error.
 *
 * @throws BackendUnavailableError, OutcomeUnknownError
 */
export async function findings(driver: Driver, settings: Settings): Promise<readonly Finding[]> {
  const { prefix, commandTimeoutMs } = settings;
  // A Cluster client knows its servers when it has spoken to one.
  const first = new Server((args) => driver.command(prefix, args), commandTimeoutMs);
  await first.ask('PING').catch((error: unknown) => {
    // A server that cannot write to its disk does not even answer that.
    if (!isUnready(error)) throw error;
  });
  const owners = driver.owners();
  const seen = await Promise.all(owners.map((send) => look(new Server(send, commandTimeoutMs), settings, owners.length)));
  const permitted = await permissions(driver, prefix, commandTimeoutMs);
  const readings = seen.flatMap(({ facts, reading }) => (reading === undefined ? [] : [[addressOf(facts), reading] as const]));
  return [
    // Users are a server's own: what was found with one of them is to be mended on all.
    ...merged(seen.map(({ facts, found }) => ({ facts, found: [...found, ...permitted] }))),
    ...againstEachOther(readings),
    ...unseen(seen.flatMap(({ facts }) => replicaAddresses(facts))),
  ];
}

async function look(
  server: Server,
  settings: Settings,
  owners: number,
): Promise<Seen & { readonly reading: Reading | undefined }> {
  // First, while nothing else is under way.
  const reading = await readClock(server);
  const facts = await factsOf(server);
  const found = [
    ...version(facts),
    ...topology(facts, owners),
    ...persistence(facts),
    ...memory(facts),
    ...replicas(facts, settings.replicas),
    ...(reading === undefined ? [] : againstOurs(reading)),
    ...(await keyspace(server, settings.prefix)),
    ...notPermitted(server),
  ];
  return { facts, found, reading };
}

function notPermitted({ denied }: Server): readonly Finding[] {
  if (denied.size === 0) return [];
  const commands = [...denied.keys()];
  return [
    {
      severity: 'info',
      what: `this user may not ask everything: ${commands.join(', ')}`,
      why: 'whether the server is safe in these respects was not looked at: INFO and CONFIG GET tell of persistence, memory, replicas and topology, TIME of its clock, SCAN and PTTL of keys without an end',
      fix: `redis-cli ACL SETUSER USER ${commands.map((command) => `'+${command}'`).join(' ')}; where the provider has taken them out, look at its console`,
    },
  ];
}
