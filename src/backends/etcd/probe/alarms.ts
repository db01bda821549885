import type { Finding } from '../../../core/backend.js';
import { alarms } from '../methods.js';
import type { Store } from '../store.js';

const kinds: Readonly<Record<number, Omit<Finding, 'what'> & { readonly name: string }>> = {
  1: {
    name: 'NOSPACE',
    severity: 'critical',
    why: 'the database is full: nothing is granted until the alarm is disarmed; renewals and releases go on',
    fix: 'etcdctl compact REVISION; etcdctl defrag --cluster; etcdctl alarm disarm',
  },
  2: {
    name: 'CORRUPT',
    severity: 'critical',
    why: 'the members disagree about the data: nothing is answered, since either side may be wrong',
    fix: 'take the member out that is wrong and add it anew, or restore the cluster from a snapshot; then etcdctl alarm disarm',
  },
};

export async function alarmed({ rpc, commandTimeoutMs }: Store): Promise<readonly Finding[]> {
  const raised = (await rpc.call(alarms, {}, commandTimeoutMs)).alarms;
  return [...new Set(raised.map(({ alarm }) => alarm))].flatMap((alarm) => {
    const kind = kinds[alarm];
    if (kind === undefined) return [];
    const { name, ...rest } = kind;
    const members = raised.filter((one) => one.alarm === alarm).map(({ memberId }) => memberId);
    return [{ what: `the alarm ${name} is raised by ${members.join(', ')}`, ...rest }];
  });
}
