import type { Finding } from '../../../core/backend.js';
import type { Endpoint } from '../endpoints.js';
import type { memberListResponse, Out, statusResponse } from '../wire/messages.js';

export interface Seen {
  readonly endpoint: Endpoint;
  readonly status: Out<typeof statusResponse>;
}

type Members = Out<typeof memberListResponse>['members'];

/** Entries that a member may be behind before it is worth a word: some seconds of a busy cluster. */
const behindMax = 5_000;

/** Who belongs to the cluster, who leads it, and whether these addresses are the right ones. */
export function membership(seen: readonly Seen[], members: Members): readonly Finding[] {
  return [
    ...leaders(seen),
    ...sizeOf(members),
    ...otherClusters(seen),
    ...learners(seen),
    ...lagging(seen),
    ...unknown(seen, members),
  ];
}

function leaders(seen: readonly Seen[]): readonly Finding[] {
  return seen
    .filter(({ status }) => status.leader === '0')
    .map(({ endpoint }) => ({
      severity: 'critical',
      what: `${endpoint.address} has no leader`,
      why: 'it grants and renews nothing: either no majority of the members is up, or it is cut off from them',
      fix: 'etcdctl endpoint status --cluster: start the members that are missing, and mend the network between them',
    }));
}

function sizeOf(members: Members): readonly Finding[] {
  const voters = members.filter(({ isLearner }) => !isLearner).length;
  if (voters === 1) {
    return [
      {
        severity: 'warning',
        what: 'the cluster has one member',
        why: 'while it is away nothing is granted and nothing is renewed; if its disk is lost, so are all locks',
        fix: 'etcdctl member add: three members bear the loss of one, five of two',
      },
    ];
  }
  if (voters % 2 === 1) return [];
  return [
    {
      severity: 'info',
      what: `the cluster has ${voters} members that vote`,
      why: `an even number bears the loss of no more members than ${voters - 1} do, and has one more that can fail`,
      fix: 'etcdctl member add, or member remove',
    },
  ];
}

function otherClusters(seen: readonly Seen[]): readonly Finding[] {
  const clusters = new Set(seen.map(({ status }) => status.header?.clusterId));
  if (clusters.size < 2) return [];
  return [
    {
      severity: 'critical',
      what: `these endpoints belong to ${clusters.size} different clusters`,
      why: 'which one grants a lock depends on which one is asked: two holders of one name are then a matter of time',
      fix: 'give only members of one cluster: etcdctl member list',
    },
  ];
}

function learners(seen: readonly Seen[]): readonly Finding[] {
  return seen
    .filter(({ status }) => status.isLearner)
    .map(({ endpoint }) => ({
      severity: 'warning',
      what: `${endpoint.address} is a learner`,
      why: 'it takes no transactions: each call that begins there costs a try',
      fix: 'leave it out of the endpoints, or etcdctl member promote',
    }));
}

function lagging(seen: readonly Seen[]): readonly Finding[] {
  const newest = Math.max(...seen.map(({ status }) => status.raftIndex));
  return seen
    .filter(({ status }) => newest - status.raftIndex > behindMax)
    .map(({ endpoint, status }) => ({
      severity: 'warning',
      what: `${endpoint.address} is ${newest - status.raftIndex} entries behind`,
      why: 'what is asked there waits until it has caught up, which may be longer than a renewal has',
      fix: 'look at its disk and its network: etcd_disk_wal_fsync_duration_seconds, etcd_network_peer_round_trip_time_seconds',
    }));
}

/** With one of several members known, its end is the end of everything. */
function unknown(seen: readonly Seen[], members: Members): readonly Finding[] {
  if (seen.length !== 1 || members.length === 1) return [];
  return [
    {
      severity: 'warning',
      what: `one endpoint of a cluster with ${members.length} members`,
      why: 'when that one is away, nothing can be renewed, although the others could',
      fix: `give all of them: ${members.flatMap(({ clientUrls }) => clientUrls).join(', ')}`,
    },
  ];
}
