import type { Finding } from '../../../core/backend.js';
import { type Facts, numberIn } from './facts.js';

/** Above this share of `maxmemory` a burst of other keys leaves no room for a lock. */
const fullRatio = 0.9;

/** Whether the server may throw a lock away, or have no room for one. */
export function memory({ info }: Facts): readonly Finding[] {
  const max = numberIn(info, 'maxmemory');
  const policy = info.get('maxmemory_policy') ?? '';
  if (max === undefined || policy === '') return [];
  if (policy !== 'noeviction') return [evicts(policy, max, info.get('evicted_keys') ?? '0')];
  const used = numberIn(info, 'used_memory') ?? 0;
  if (max === 0 || used < fullRatio * max) return [];
  return [
    {
      severity: used < max ? 'warning' : 'critical',
      what: `the memory is ${used < max ? 'nearly ' : ''}full: ${used} of ${max} bytes`,
      why: 'the server refuses new locks (OOM); leases that are held are renewed and released as before',
      fix: `redis-cli CONFIG SET maxmemory ${2 * max} && redis-cli CONFIG REWRITE`,
    },
  ];
}

function evicts(policy: string, max: number, evicted: string): Finding {
  const which = policy.startsWith('volatile') ? 'keys that have a TTL, and every lock has one' : 'any key, locks as well';
  return {
    severity: max === 0 ? 'warning' : 'critical',
    what: `maxmemory-policy is ${policy}${max === 0 ? ', though maxmemory is not set yet' : `, and ${evicted} keys were evicted so far`}`,
    why: `when the memory is full the server throws away ${which}: its holder is told ("forgotten") at its next renewal, and until then another may be granted the name; a fence that is thrown away goes on from the clock`,
    fix: 'redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE; keep caches on a server of their own',
  };
}
