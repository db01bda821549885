import type { Finding } from '../../../core/backend.js';
import { messageOf } from '../../../core/calls.js';
import type { ZooKeeperClient } from '../client.js';
import type { Store } from '../store.js';
import { ofMember } from './members.js';
import { type Address, type Member, memberAt } from './words.js';

/** A client's servers are its own business: they are asked if it tells. */
interface Knowing {
  readonly connectionManager?: { readonly servers?: readonly { readonly host: string; readonly port: string | number }[] };
}

/** The part of the library that tells who may do what. */
interface Guarded {
  getACL?(
    path: string,
    done: (error: unknown, acls: readonly { readonly id?: { readonly scheme?: string } }[] | undefined) => void,
  ): void;
}

/** How many nodes are many: each costs the servers some hundred bytes. */
const nodesMany = 500_000;

/**
 * What could make this store unsafe, as the members tell by their four-letter words. What they do not permit is a finding of
 * its own, and no error.
 *
 * @throws BackendUnavailableError
 */
export async function findings(store: Store, timeoutMs: number): Promise<readonly Finding[]> {
  const operation = store.question('probing');
  await operation.children('/');
  let servers: readonly Address[] = [];
  const open = await operation.inspect((client) => {
    servers = addressesOf(client);
    return everybody(client as Guarded, store.paths.root);
  });
  const members = await Promise.all(servers.map((address) => memberAt(address, timeoutMs)));
  if (members.length > 0 && members.every(({ silent }) => silent !== undefined)) return [unseen(members), ...open];
  return [...(servers.length === 0 ? [unseen([])] : []), ...members.flatMap(ofMember), ...together(members), ...open];
}

function addressesOf(client: ZooKeeperClient): readonly Address[] {
  const servers = (client as Knowing).connectionManager?.servers ?? [];
  return servers.map(({ host, port }) => ({ host, port: Number(port) }));
}

async function everybody(client: Guarded, root: string): Promise<readonly Finding[]> {
  const acls = await new Promise<readonly { readonly id?: { readonly scheme?: string } }[]>((resolve) => {
    if (client.getACL === undefined) return resolve([]);
    client.getACL(root, (_error, all) => resolve(all ?? []));
  });
  if (!acls.some(({ id }) => id?.scheme === 'world')) return [];
  return [
    {
      severity: 'info',
      what: `everybody who reaches the servers may change what is below ${root}`,
      why: 'a node that is deleted is a lease that is lost',
      fix: 'zk://user:password@… in the URL, or the option acl with a client that has a login; then delete the root once, when nobody holds a lock',
    },
  ];
}

function unseen(members: readonly Member[]): Finding {
  return {
    severity: 'info',
    what: 'no member could be asked what it is',
    why: `four-letter words have to be permitted, and reach the servers directly${members[0]?.silent === undefined ? '' : ` (${messageOf(new Error(members[0].silent))})`}`,
    fix: '4lw.commands.whitelist=srvr,conf,mntr in zoo.cfg of each member',
  };
}

/** What only shows side by side. */
function together(members: readonly Member[]): readonly Finding[] {
  const found: Finding[] = [];
  const voting = members.filter(({ srvr }) => /^(?:leader|follower)$/.test(srvr.get('Mode') ?? ''));
  const leaders = members.filter(({ srvr }) => srvr.get('Mode') === 'leader');
  if (voting.length > 0 && voting.length % 2 === 0 && members.every(({ silent }) => silent === undefined)) {
    found.push({
      severity: 'info',
      what: `${voting.length} members vote`,
      why: 'an even number survives no more failures than one less',
      fix: 'add a member, or make one an observer',
    });
  }
  if (leaders.length > 1) {
    found.push({
      severity: 'critical',
      what: `${leaders.map(({ address }) => address).join(' and ')} lead ensembles of their own`,
      why: 'a client that goes from one to the other finds other locks',
      fix: 'give the client the members of one ensemble only',
    });
  }
  const [leader] = leaders;
  const behind = Number(leader?.mntr.get('zk_synced_followers') ?? Number.NaN);
  if (leader !== undefined && behind + 1 < voting.length) {
    found.push({
      severity: 'warning',
      what: `the leader ${leader.address} has ${behind} followers that keep up`,
      why: 'one more that fails may be one too many for a majority',
      fix: `printf mntr | nc ${leader.address.replace(':', ' ')}; look at the followers' logs`,
    });
  }
  const nodes = Math.max(0, ...members.map(({ mntr }) => Number(mntr.get('zk_znode_count') ?? 0)));
  if (nodes > nodesMany) {
    found.push({
      severity: 'warning',
      what: `the store has ${nodes} nodes`,
      why: 'all of them are in the memory of every member, and a restart reads them all',
      fix: 'look for what piles up: zkCli.sh getAllChildrenNumber /',
    });
  }
  return found;
}
