import type { Finding } from '../../../core/backend.js';
import type { Seen } from './membership.js';

interface Defect {
  readonly severity: Finding['severity'];
  readonly isIn: (major: number, minor: number, patch: number) => boolean;
  readonly why: string;
  readonly fix: string;
}

/** What is known of releases, as their change logs have it. */
const defects: readonly Defect[] = [
  {
    severity: 'critical',
    isIn: (major, minor) => major < 3 || (major === 3 && minor < 4),
    why: 'nobody has tried this library on it; before 3.4 a watch cannot be given an id',
    fix: 'upgrade to 3.5 or 3.6',
  },
  {
    severity: 'critical',
    isIn: (major, minor, patch) => major === 3 && minor === 5 && patch < 3,
    why: 'a member that crashes under load may come back with other data than the rest of the cluster: two holders of one name',
    fix: 'upgrade to the newest 3.5 or 3.6 before anything else',
  },
  {
    severity: 'warning',
    isIn: (major, minor, patch) => major === 3 && ((minor === 4 && patch < 31) || (minor === 5 && patch < 13)),
    why: 'a leader that stood still (a full disk, a paused machine) revokes leases when it wakes that were renewed through its successor meanwhile: holds end before their time, and others get the name while their holders work, until their next renewal. The fences stay in order',
    fix: 'upgrade to 3.4.31, 3.5.13 or 3.6, or later',
  },
];

export function versions(seen: readonly Seen[]): readonly Finding[] {
  const numbers = [...new Set(seen.map(({ status }) => status.version))];
  const old = numbers.flatMap((number) => {
    const [major = 0, minor = 0, patch = 0] = number.split(/[.-]/).map(Number);
    const defect = defects.find(({ isIn }) => isIn(major, minor, patch));
    return defect === undefined
      ? []
      : [{ severity: defect.severity, what: `this is etcd ${number}`, why: defect.why, fix: defect.fix }];
  });
  if (numbers.length < 2) return old;
  const mixed: Finding = {
    severity: 'info',
    what: `the members have different versions: ${numbers.join(', ')}`,
    why: 'a cluster does what its oldest member can',
    fix: 'finish the upgrade',
  };
  return [...old, mixed];
}
