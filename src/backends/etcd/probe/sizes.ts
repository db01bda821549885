import type { Finding } from '../../../core/backend.js';
import type { Seen } from './membership.js';

/** What a member takes if it is told nothing. */
const quotaDefault = 2 * 1024 ** 3;
const fullRatio = 0.8;
/** Space that is only given back by a defragmentation. */
const wasteRatio = 0.5;
const wasteMin = 100 * 1024 ** 2;

export function sizes(seen: readonly Seen[]): readonly Finding[] {
  return seen.flatMap(({ endpoint: { address }, status: { dbSize, dbSizeInUse, dbSizeQuota } }) => {
    // Members before 3.6 do not tell theirs.
    const quota = dbSizeQuota > 0 ? dbSizeQuota : quotaDefault;
    if (dbSize > quota * fullRatio) return [nearlyFull(address, dbSize, quota, dbSizeQuota > 0)];
    if (dbSize - dbSizeInUse > Math.max(wasteMin, dbSize * wasteRatio)) return [wasteful(address, dbSize, dbSizeInUse)];
    return [];
  });
}

function nearlyFull(address: string, size: number, quota: number, isTold: boolean): Finding {
  return {
    severity: 'warning',
    what: `the database of ${address} has ${megabytes(size)}, of ${megabytes(quota)} that it may have${isTold ? '' : ' by default'}`,
    why: 'a database that is full raises NOSPACE, and from then on nothing is granted; renewals and releases go on',
    fix: 'etcdctl compact REVISION, etcdctl defrag; keep it small with --auto-compaction-retention; raise --quota-backend-bytes',
  };
}

function wasteful(address: string, size: number, inUse: number): Finding {
  return {
    severity: 'info',
    what: `the database of ${address} has ${megabytes(size)}, of which ${megabytes(inUse)} are in use`,
    why: 'the rest counts against the quota all the same',
    fix: `etcdctl --endpoints=${address} defrag, one member after the other: it stands still meanwhile`,
  };
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}
