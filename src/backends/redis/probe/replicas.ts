import type { Finding } from '../../../core/backend.js';
import { type Facts, numberIn } from './facts.js';

interface Replica {
  readonly address: string;
  readonly online: boolean;
  /** Since it last acknowledged, which it does every second. */
  readonly lagS: number;
}

const lagSMax = 3;

/** Who would take over, and what it would know. `asked`: replicas that must acknowledge a grant. */
export function replicas(facts: Facts, asked: number): readonly Finding[] {
  const { info, config } = facts;
  if (info.get('role') !== 'master') return [];
  const all = replicasOf(info);
  const online = all.filter((replica) => replica.online).length;
  const needed = numberIn(config, 'min-replicas-to-write') ?? 0;
  const found = [...behind(all)];
  if (asked > online) {
    found.push({
      severity: 'critical',
      what: `grants are to wait for ${asked} replicas, and ${online} are connected`,
      why: 'every grant is undone: nothing can be locked',
      fix: `start replicas: redis-cli -h REPLICA REPLICAOF ${facts.host ?? 'THIS_HOST'} ${facts.port}; or ask for fewer: redis(client, { replicas: ${online} })`,
    });
  }
  if (needed > online) {
    found.push({
      severity: 'critical',
      what: `min-replicas-to-write is ${needed}, and ${online} are connected`,
      why: 'the server refuses all writes (NOREPLICAS): nothing is granted or renewed',
      fix: `redis-cli CONFIG SET min-replicas-to-write ${online} && redis-cli CONFIG REWRITE`,
    });
  }
  const failsOver = (facts.sentinels ?? 0) > 0 || facts.nodes.length > 0;
  if (failsOver && all.length > 0 && needed === 0) found.push(isolation);
  return found;
}

const isolation: Finding = {
  severity: 'warning',
  what: 'min-replicas-to-write is 0, and another server may be appointed master',
  why: 'a master that is cut off from the others goes on granting to whoever still reaches it, beside its successor',
  fix: 'redis-cli CONFIG SET min-replicas-max-lag 10 && redis-cli CONFIG SET min-replicas-to-write 1 && redis-cli CONFIG REWRITE',
};

function behind(all: readonly Replica[]): readonly Finding[] {
  return all
    .filter((replica) => !replica.online || replica.lagS > lagSMax)
    .map(({ address, online, lagS }) => ({
      severity: 'warning',
      what: online
        ? `the replica ${address} has acknowledged nothing for ${lagS} s`
        : `the replica ${address} is not in step yet`,
      why: 'if it takes over now, it does not know the locks of that time: their holders are told ("forgotten") at their next renewal, and until then others may be granted the names',
      fix: `see why: redis-cli -h ${address.replace(/:(\d+)$/, ' -p $1')} INFO replication`,
    }));
}

/** `slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=0` */
function replicasOf(info: ReadonlyMap<string, string>): readonly Replica[] {
  return [...info]
    .filter(([key]) => /^slave\d+$/.test(key))
    .map(([, value]) => {
      const fields = new Map(value.split(',').map((field) => field.split('=') as [string, string]));
      return {
        address: `${fields.get('ip')}:${fields.get('port')}`,
        online: fields.get('state') === 'online',
        lagS: numberIn(fields, 'lag') ?? 0,
      };
    });
}

/** Addresses of all that are connected, for `redis-cli`. */
export function replicaAddresses({ info }: Facts): readonly string[] {
  return replicasOf(info).map(({ address }) => address);
}
