import type { Finding } from '../../../core/backend.js';
import { limits } from '../../../core/limits.js';
import { fencesPerTransaction } from '../values.js';
import type { Member } from './words.js';

/** What each member says of itself. */
export function ofMember(member: Member): readonly Finding[] {
  if (member.silent !== undefined) return [silent(member, member.silent)];
  return [...denied(member), ...mode(member), ...version(member), ...sessions(member), ...transactions(member), ...load(member)];
}

function silent({ address }: Member, why: string): Finding {
  return {
    severity: 'warning',
    what: `${address} does not answer: ${why}`,
    why: 'one more that fails may be one too many for a majority, and clients that try it first lose time',
    fix: `printf srvr | nc ${address.replace(':', ' ')}; start it again, or take it out of the connection string`,
  };
}

function denied({ address, denied: words }: Member): readonly Finding[] {
  if (words.length === 0) return [];
  return [
    {
      severity: 'info',
      what: `${address} does not answer ${words.join(', ')}`,
      why: 'whether it is safe in these respects was not looked at: srvr tells of its part in the ensemble, conf of session timeouts, mntr of its load',
      fix: `4lw.commands.whitelist=${['srvr', ...words.filter((word) => word !== 'srvr')].join(',')} in zoo.cfg, and a restart`,
    },
  ];
}

function mode({ address, srvr, denied: words }: Member): readonly Finding[] {
  const is = srvr.get('Mode');
  if (is === 'standalone') {
    return [
      {
        severity: 'warning',
        what: `${address} is a single server`,
        why: 'exclusion rests on its one disk, and nothing can be locked while it is away',
        fix: 'run three or five servers: server.1=… in zoo.cfg of each',
      },
    ];
  }
  if (words.includes('srvr') || (is !== undefined && is !== 'read-only')) return [];
  return [
    {
      severity: 'critical',
      what: `${address} serves no requests, or reads only`,
      why: 'it has lost the majority of its ensemble: no lease can be taken or renewed through it',
      fix: `printf srvr | nc ${address.replace(':', ' ')}; look at its log, and at its connections to the other members`,
    },
  ];
}

function version({ address, srvr, mntr }: Member): readonly Finding[] {
  const text = srvr.get('Zookeeper version') ?? mntr.get('zk_version') ?? '';
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  if (major === undefined || Number(major) > 3 || Number(minor) >= 5) return [];
  return [
    {
      severity: 'warning',
      what: `${address} runs ZooKeeper ${text.split('-')[0]}`,
      why: 'Holdfast is tested with 3.5 and later; this one gets no corrections any more',
      fix: 'upgrade it to 3.8 or later',
    },
  ];
}

function sessions({ address, conf }: Member): readonly Finding[] {
  const [tickMs, minMs, maxMs] = ['tickTime', 'minSessionTimeout', 'maxSessionTimeout'].map((key) => Number(conf.get(key)));
  if (!tickMs || !minMs || !maxMs) return [];
  const found: Finding[] = [];
  if (minMs < 2 * tickMs) {
    found.push({
      severity: 'critical',
      what: `${address} allows sessions of ${minMs} ms, less than two ticks of ${tickMs} ms`,
      why: 'a follower tells the leader of its sessions every half tick: shorter ones may be ended while their leases still count',
      fix: `minSessionTimeout=${2 * tickMs} in zoo.cfg of each member, and a restart`,
    });
  }
  const longestMs = Math.floor(maxMs / 1.5);
  if (longestMs < limits.ttlMsDefault) {
    found.push({
      severity: 'warning',
      what: `${address} allows sessions of at most ${maxMs} ms`,
      why: `leases are shortened to ${longestMs} ms, less than the default of ${limits.ttlMsDefault} ms`,
      fix: `maxSessionTimeout=${limits.ttlMsDefault * 2} in zoo.cfg of each member, and a restart`,
    });
  } else {
    found.push({
      severity: 'info',
      what: `${address} allows sessions of ${minMs} to ${maxMs} ms`,
      why: `a TTL above ${longestMs} ms is shortened to that, and a killed holder costs ${minMs + tickMs} ms also where its TTL is shorter`,
      fix: 'nothing, if that suits; else minSessionTimeout and maxSessionTimeout in zoo.cfg of each member',
    });
  }
  return found;
}

/** Below it no ensemble that lives will ever come. */
const elections = (2n ** 63n / fencesPerTransaction) >> 32n;

function transactions({ address, srvr }: Member): readonly Finding[] {
  const text = srvr.get('Zxid') ?? '';
  if (!/^0x[0-9a-f]+$/.test(text)) return [];
  const epoch = BigInt(text) >> 32n;
  if (epoch < elections / 2n) return [];
  return [
    {
      severity: 'critical',
      what: `${address} has seen ${epoch} elections`,
      why: `fences end at ${elections}`,
      fix: 'find out why leaders come and go; move to a new ensemble, and raise the fences at every sink first',
    },
  ];
}

function load({ address, mntr, conf }: Member): readonly Finding[] {
  const found: Finding[] = [];
  const waiting = Number(mntr.get('zk_outstanding_requests') ?? 0);
  if (waiting > 100) {
    found.push({
      severity: 'warning',
      what: `${address} has ${waiting} requests waiting`,
      why: 'renewals wait with them, and may come too late',
      fix: 'look at its disk (each write is synced) and its memory; give the transaction log a disk of its own (dataLogDir)',
    });
  }
  const connectionsMax = Number(conf.get('maxClientCnxns') ?? 0);
  const connections = Number(mntr.get('zk_num_alive_connections') ?? 0);
  if (connectionsMax > 0 && connections > connectionsMax * 0.8) {
    found.push({
      severity: 'warning',
      what: `${address} has ${connections} connections, and takes ${connectionsMax} from one address`,
      why: 'a process has one for each class of TTLs that it uses; when many run on one machine, the next one is turned away',
      fix: 'maxClientCnxns=… in zoo.cfg of each member, and a restart',
    });
  }
  return found;
}
