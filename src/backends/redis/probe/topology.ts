import type { Finding } from '../../../core/backend.js';
import type { Facts } from './facts.js';
import { productOf } from './version.js';

/** Which server this is, and whether it is the right one to ask for locks. `owners`: servers that the client sends commands to. */
export function topology(facts: Facts, owners: number): readonly Finding[] {
  if (facts.info.size === 0) return [];
  const found = facts.info.get('role') === 'slave' ? [replica(facts)] : [];
  return [...found, ...(facts.info.get('cluster_enabled') === '1' ? cluster(facts, owners) : single(facts))];
}

function replica({ info, config }: Facts): Finding {
  const master = `${info.get('master_host')}:${info.get('master_port')}`;
  const writable = config.get('replica-read-only') === 'no';
  return {
    severity: 'critical',
    what: `this server is a ${writable ? 'writable ' : ''}replica of ${master}`,
    why: writable
      ? 'locks that are written here are seen by no other server, and are lost at the next synchronisation'
      : 'it takes no writes: nothing is granted, renewed or released through it',
    fix: `give the client the address of the master, ${master}, or connect through Sentinel`,
  };
}

function single(facts: Facts): readonly Finding[] {
  const { info, sentinels } = facts;
  if (info.get('role') === 'slave') return [];
  const replicas = Number(info.get('connected_slaves') ?? 0);
  if (sentinels !== undefined && sentinels > 0) return sentinel(facts, sentinels);
  const what = `${productOf(facts)}, one server, ${replicas === 0 ? 'no replicas' : `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`}, no Sentinel`;
  return [
    {
      severity: 'info',
      what,
      why: 'safe, and the simplest to reason about: but while it is away nothing is granted, and leases end with their TTL',
      fix: 'where that takes too long: replicas and three Sentinels, and a client that is connected through them',
    },
  ];
}

/** Below three, the loss of one leaves no majority that could appoint a new master. */
const sentinelsMin = 3;

function sentinel(facts: Facts, sentinels: number): readonly Finding[] {
  const what = `${productOf(facts)}, watched by ${sentinels} ${sentinels === 1 ? 'Sentinel' : 'Sentinels'}`;
  if (sentinels < sentinelsMin) {
    return [
      {
        severity: 'warning',
        what,
        why: 'if the machine of one of them fails together with the master, no majority is left to appoint another, and nothing is granted',
        fix: 'start Sentinels on three machines that fail independently: redis-sentinel sentinel.conf',
      },
    ];
  }
  return [
    {
      severity: 'info',
      what,
      why: 'a failover loses what the new master had not received: such a lease is reported as lost ("forgotten") and another may be granted meanwhile; the fence orders their writes',
      fix: 'let what you write to compare fences; check that the client is connected through the Sentinels: else it does not follow a failover',
    },
  ];
}

function cluster(facts: Facts, owners: number): readonly Finding[] {
  const { nodes } = facts;
  const masters = nodes.filter((node) => node.flags.includes('master') && node.hasSlots);
  const failed = masters.filter((node) => node.flags.includes('fail'));
  const bare = masters.filter((master) => !nodes.some((node) => node.masterId === master.id));
  const found: Finding[] = [];
  if (masters.length > owners) {
    found.push({
      severity: 'critical',
      what: `this server is one of ${masters.length} masters of a Cluster, of which the client reaches ${owners}`,
      why: 'names whose slot lies on another one are refused (MOVED)',
      fix: 'connect with a Cluster client: new Redis.Cluster([…]) of ioredis, createCluster({…}) of redis',
    });
  }
  if (failed.length > 0) {
    found.push({
      severity: 'critical',
      what: `masters of the Cluster are down: ${failed.map(({ host, port }) => `${host}:${port}`).join(', ')}`,
      why: 'no name of their slots can be locked, and by default none of any slot',
      fix: `start them again, or let a replica take over: redis-cli -h REPLICA CLUSTER FAILOVER FORCE; then redis-cli --cluster fix ${facts.host ?? ''}:${facts.port}`,
    });
  }
  if (bare.length > 0) {
    found.push({
      severity: 'info',
      what: `${productOf(facts)}, Cluster of ${masters.length} masters, ${bare.length} of them without a replica`,
      why: 'if one of these goes, no name of its slots can be locked until it is back',
      fix: 'redis-cli --cluster add-node NEW_HOST:PORT ANY_HOST:PORT --cluster-slave',
    });
  } else if (masters.length > 0) {
    found.push({
      severity: 'info',
      what: `${productOf(facts)}, Cluster of ${masters.length} masters with replicas`,
      why: 'a failover loses what the new master had not received: such a lease is reported as lost ("forgotten") and another may be granted meanwhile; the fence orders their writes',
      fix: 'let what you write to compare fences',
    });
  }
  return found;
}
