import type { Finding } from '../../../core/backend.js';
import { range } from '../methods.js';
import type { Store } from '../store.js';

/** A probe must not read a whole cluster. */
const keysMax = 20_000;
const aheadMsMax = 60_000;

/** What stands among the keys that should not: locks that never end, an epoch from the future. */
export async function keyspace({ rpc, keys, epoch, commandTimeoutMs }: Store): Promise<readonly Finding[]> {
  const { key, rangeEnd } = keys.startingWith('');
  const { kvs } = await rpc.call(range, { key, rangeEnd, limit: keysMax, keysOnly: true }, commandTimeoutMs);
  const endless = kvs.filter((kv) => kv.lease === 0 && keys.parse(kv.key) !== undefined);
  const { value } = await epoch.current(commandTimeoutMs).catch(() => ({ value: 0 }));
  const aheadMs = value / 1_000 - Date.now();
  return [
    ...(endless.length === 0
      ? []
      : [
          {
            severity: 'critical' as const,
            what: `${endless.length} locks have no lease, the first is ${endless[0]?.key}`,
            why: 'they never end: somebody wrote them by hand, or a member attached them to a lease that was gone',
            fix: `when nobody holds it: etcdctl del ${endless[0]?.key}`,
          },
        ]),
    ...(aheadMs <= aheadMsMax
      ? []
      : [
          {
            severity: 'warning' as const,
            what: `the epoch of the fences is ${Math.round(aheadMs / 1_000)} s ahead of this machine's clock`,
            why: 'it was written by a clock that was in the future, or this one is in the past: if the cluster lost its data now, fences could come again',
            fix: 'let NTP keep the time on every machine: timedatectl set-ntp true',
          },
        ]),
  ];
}
