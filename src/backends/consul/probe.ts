import type { Finding } from '../../core/backend.js';
import { HoldfastError } from '../../core/errors.js';
import type { Endpoint, Request } from './http.js';
import { look, lookBelow } from './ops.js';
import type { Settings } from './options.js';
import { parsed } from './rpc.js';
import { createSession } from './sessions.js';
import type { Store } from './store.js';
import { isReadersText } from './values.js';
import { epochIn } from './epoch.js';

/** What an agent says of itself, as far as it was allowed to be asked. */
export interface Facts {
  readonly version?: string;
  readonly datacenter?: string;
  readonly isServer?: boolean;
  /** In nanoseconds. */
  readonly sessionTtlMin?: number;
}

/** Older ones have no step that looks at a key that may be missing. */
const versionMin = [1, 13];
/** Two clocks that agree are not this far apart. */
const aheadMsMax = 60_000;
/** `get-or-empty` and the rest of what is used; what a session of marks needs. */
const sessionMsNeeded = 10_000;

/**
 * What could make this store unsafe. What the token may not ask is a finding of its own, and no error.
 *
 * @throws ClosedError, BackendUnavailableError, OutcomeUnknownError
 */
export async function findings(store: Store, settings: Settings): Promise<readonly Finding[]> {
  const { rpc, commandTimeoutMs } = store;
  const found: Finding[] = [];
  const denied: string[] = [];
  const ask = async (what: string, request: Request): Promise<string | undefined> => {
    try {
      return (await rpc.call(what, request, commandTimeoutMs)).text;
    } catch (error) {
      if (!(error instanceof HoldfastError) || !error.permanent) throw error;
      denied.push(what);
      return undefined;
    }
  };
  // Somebody leads, or nothing else could be asked.
  const leader = await ask('asking for the leader', { method: 'GET', path: '/v1/status/leader' });
  if (leader === '""') found.push(leaderless);
  const peers = await ask('asking for the servers', { method: 'GET', path: '/v1/status/peers' });
  if (peers !== undefined)
    found.push(...parsed('asking for the servers', peers, () => aboutPeers(JSON.parse(peers) as readonly string[])));
  const self = await ask('asking the agent about itself', { method: 'GET', path: '/v1/agent/self' });
  if (self !== undefined) found.push(...parsed('asking the agent about itself', self, () => aboutAgent(factsOf(self))));
  found.push(...(await unreachable(store)), ...(await aboutRights(store)), ...(await aboutKeys(store)));
  if (settings.token !== undefined && settings.addresses.some((address) => isInTheClear(address))) found.push(clearToken);
  return denied.length === 0 ? found : [...found, notAsked(denied)];
}

const leaderless: Finding = {
  severity: 'critical',
  what: 'the servers have no leader',
  why: 'nothing can be granted or renewed without one',
  fix: 'consul operator raft list-peers, and see that a majority of the servers is up',
};

const clearToken: Finding = {
  severity: 'warning',
  what: 'the token is sent over the network without TLS',
  why: 'whoever reads it may take and end every lock',
  fix: 'use the HTTPS port of the agents: consul+tls://host:8501',
};

export function factsOf(text: string): Facts {
  const { Config = {}, DebugConfig = {} } = JSON.parse(text) as Record<string, Record<string, unknown> | undefined>;
  const { Version, Datacenter, Server } = Config;
  const { SessionTTLMin } = DebugConfig;
  const nanoseconds = typeof SessionTTLMin === 'string' ? Number.parseFloat(SessionTTLMin) * 1e9 : SessionTTLMin;
  return {
    ...(typeof Version === 'string' ? { version: Version } : {}),
    ...(typeof Datacenter === 'string' ? { datacenter: Datacenter } : {}),
    ...(typeof Server === 'boolean' ? { isServer: Server } : {}),
    ...(typeof nanoseconds === 'number' ? { sessionTtlMin: nanoseconds } : {}),
  };
}

export function aboutPeers(peers: readonly string[]): readonly Finding[] {
  if (peers.length % 2 === 1 && peers.length > 1) return [];
  const what = peers.length === 1 ? 'the cluster has one server' : `the cluster has ${peers.length} servers that vote`;
  const why =
    peers.length === 1
      ? 'while it is away nothing is granted or renewed, and what its disk loses is lost'
      : 'an even number stands no more failures than one less';
  return [{ severity: 'warning', what, why, fix: 'run three or five servers' }];
}

export function aboutAgent({ version, sessionTtlMin }: Facts): readonly Finding[] {
  const found: Finding[] = [];
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  if (version !== undefined && (major < Number(versionMin[0]) || (major === versionMin[0] && minor < Number(versionMin[1])))) {
    found.push({
      severity: 'critical',
      what: `the agent is Consul ${version}`,
      why: 'it does not know all steps of the transactions that are used here',
      fix: `use ${versionMin.join('.')} or later`,
    });
  }
  if (sessionTtlMin !== undefined && sessionTtlMin / 1e6 > sessionMsNeeded) {
    found.push({
      severity: 'info',
      what: `session_ttl_min is ${sessionTtlMin / 1e9} s`,
      why: 'what crashed processes leave where nobody waits, and owners that gave up, are remembered for up to twice as long',
      fix: 'set session_ttl_min of the servers to 10s, the default',
    });
  }
  return found;
}

/** One by one: the calls above stop at the first that answers. */
async function unreachable({ rpc, commandTimeoutMs }: Store): Promise<readonly Finding[]> {
  const ask = async (endpoint: Endpoint): Promise<Finding | undefined> => {
    try {
      await rpc.once(endpoint, 'asking for the leader', { method: 'GET', path: '/v1/status/leader' }, commandTimeoutMs);
      return undefined;
    } catch (error) {
      return {
        severity: 'warning',
        what: `${endpoint.address} cannot be asked: ${String((error as Error).message).slice(0, 200)}`,
        why: 'there is one less to turn to when another one fails',
        fix: 'start it, or leave it out',
      };
    }
  };
  return (await Promise.all(rpc.endpoints.map(ask))).filter((finding) => finding !== undefined);
}

/** Whether a session can be made, and locked with: a token may read all and write nothing. */
async function aboutRights({ rpc, keys, commandTimeoutMs }: Store): Promise<readonly Finding[]> {
  try {
    const { id } = await createSession(rpc, 'probe', sessionMsNeeded, 0, commandTimeoutMs);
    const value = 'probe';
    const lock = { KV: { Verb: 'lock', Key: keys.mark('probe'), Session: id, Value: btoa(value) } };
    const gone = { KV: { Verb: 'delete', Key: keys.mark('probe') } };
    await rpc.txn('trying to lock', [gone, lock, gone], commandTimeoutMs);
    await rpc.call('ending a session', { method: 'PUT', path: `/v1/session/destroy/${id}` }, commandTimeoutMs);
    return [];
  } catch (error) {
    if (!(error instanceof HoldfastError) || !error.permanent) throw error;
    return [
      {
        severity: 'critical',
        what: error.message,
        why: 'nothing can be granted',
        fix: `give the token the rules key_prefix "${keys.prefix}" { policy = "write" } and session_prefix "" { policy = "write" }`,
      },
    ];
  }
}

async function aboutKeys({ rpc, keys, commandTimeoutMs }: Store): Promise<readonly Finding[]> {
  const answer = await rpc.txn('looking', [look(keys.epoch), lookBelow(keys.startingWith(''))], commandTimeoutMs);
  if (!answer.ok) return [];
  const found: Finding[] = [];
  const aheadMs = epochIn(answer.kvs.find(({ key }) => key === keys.epoch)) / 1_000 - Date.now();
  if (aheadMs > aheadMsMax) {
    found.push({
      severity: 'warning',
      what: `the epoch of the fences is ${Math.round(aheadMs / 1_000)} s ahead of this machine's clock`,
      why: 'fences rise all the same; but if the store loses its data before that time, they go back',
      fix: 'set the clocks of the machines right (chronyc tracking)',
    });
  }
  const parts = answer.kvs.map((kv) => ({ kv, kind: keys.parse(kv.key)?.kind }));
  const loose = parts
    .filter(({ kv, kind }) => (kind === 'lock' && !isReadersText(kv.value)) || kind === 'read')
    .filter(({ kv }) => kv.session === '');
  if (loose.length > 0) {
    found.push({
      severity: 'warning',
      what: `${loose.length} locks have no session, the first at ${loose[0]?.kv.key}`,
      why: 'somebody wrote or unlocked them by hand: where nobody waits for them they stay for ever',
      fix: `consul kv delete ${loose[0]?.kv.key}, when nobody holds it`,
    });
  }
  return found;
}

function isInTheClear(address: string): boolean {
  return address.startsWith('http:') && !/^http:\/\/(?:localhost|127\.|\[::1\])/.test(address);
}

function notAsked(denied: readonly string[]): Finding {
  return {
    severity: 'info',
    what: `the token may not be used for ${denied.join(', ')}`,
    why: 'so nothing can be said about that; leases need none of it',
    fix: 'add agent_prefix "" { policy = "read" } to the token for the time of this check',
  };
}
