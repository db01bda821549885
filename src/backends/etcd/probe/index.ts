import type { Finding } from '../../../core/backend.js';
import { messageOf } from '../../../core/calls.js';
import type { Endpoint } from '../endpoints.js';
import { fault, saidBy } from '../errors.js';
import { memberList, status } from '../methods.js';
import type { Store } from '../store.js';
import { alarmed } from './alarms.js';
import { keyspace } from './keyspace.js';
import { membership, type Seen } from './membership.js';
import { sizes } from './sizes.js';
import { timing } from './timing.js';
import { versions } from './versions.js';

/** What is found out; everything else is said in findings. */
interface Away {
  readonly endpoint: Endpoint;
  readonly error: unknown;
}

/**
 * What could make this cluster unsafe. What the user may not ask is a finding of its own, and no error.
 *
 * @throws BackendUnavailableError, OutcomeUnknownError if no member answers
 */
export async function findings(store: Store): Promise<readonly Finding[]> {
  const { rpc, commandTimeoutMs } = store;
  const { members } = await rpc.call(memberList, {}, commandTimeoutMs);
  const seen: Seen[] = [];
  const away: Away[] = [];
  await Promise.all(
    rpc.endpoints.all.map(async (endpoint) => {
      try {
        seen.push({ endpoint, status: await rpc.once(endpoint, status, {}, commandTimeoutMs) });
      } catch (error) {
        away.push({ endpoint, error });
      }
    }),
  );
  if (seen.length === 0) throw fault(away[0]?.error, 'asking the members', false);
  seen.sort((a, b) => a.endpoint.address.localeCompare(b.endpoint.address));
  const asked = [
    permitted('the alarms', () => alarmed(store)),
    permitted('how long leases and reads take', () => timing(store)),
    permitted('the keys', () => keyspace(store)),
  ];
  return [
    ...away.map(({ endpoint, error }) => notReached(endpoint, error)),
    ...membership(seen, members),
    ...versions(seen),
    ...sizes(seen),
    ...(await Promise.all(asked)).flat(),
  ];
}

function notReached({ address }: Endpoint, error: unknown): Finding {
  return {
    severity: 'warning',
    what: `${address} cannot be asked: ${saidBy(error)}`,
    why: 'calls that go there are lost until the next member is tried',
    fix: `see whether it is up, and reachable from here: etcdctl --endpoints=${address} endpoint status`,
  };
}

/** One part of the probe. That it fails says something as well. */
async function permitted(what: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    const isDenied = /permission denied/.test(messageOf(error));
    return [
      {
        severity: isDenied ? 'info' : 'critical',
        what: isDenied ? `this user may not ask for ${what}` : `${what} could not be read: ${messageOf(error)}`,
        why: 'whether the cluster is safe in this respect was not found out',
        fix: 'etcdctl endpoint status --cluster; etcdctl alarm list; etcdctl user get USER',
      },
    ];
  }
}
