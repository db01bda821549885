import { readFileSync, statfsSync } from 'node:fs';
import process from 'node:process';
import { NotSupportedError } from '../../core/errors.js';

/**
 * File systems that several machines may write to. SQLite's WAL needs shared memory between all users of a file, and
 * network locks lie (https://sqlite.org/wal.html, https://sqlite.org/howtocorrupt.html). Numbers: statfs(2) and linux/magic.h.
 */
const network: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB2',
  0x564c: 'NCP',
  0x01021997: '9p',
  0x00c36400: 'Ceph',
  0x5346414f: 'AFS',
  0x6b414653: 'AFS',
  0x73757245: 'Coda',
  0x0bd00bd0: 'Lustre',
  0x01161970: 'GFS2',
  0x7461636f: 'OCFS2',
  0x47504653: 'GPFS',
  0x19830326: 'BeeGFS',
  0x786f4256: 'VirtualBox shared folder',
};
const fuse = 0x65735546;
/** FUSE says nothing about what lies below; these do lie on this machine. */
const localFuse: ReadonlySet<string> = new Set([
  'fuseblk',
  'fuse.fuse-overlayfs',
  'fuse.ntfs-3g',
  'fuse.gocryptfs',
  'fuse.encfs',
  'fuse.bindfs',
]);

/** The network file system's name, undefined for a local one. `mountType`: as in `/proc/self/mountinfo`. */
export function networkFilesystem(magic: number, mountType = ''): string | undefined {
  const unsigned = magic >>> 0;
  if (unsigned !== fuse) return network[unsigned];
  return localFuse.has(mountType) ? undefined : mountType || 'FUSE';
}

/** The type of the mount that a directory is on: the last, longest mount point that contains it. */
export function mountTypeOf(directory: string, mountinfo: string): string {
  let best = { length: 0, type: '' };
  for (const line of mountinfo.split('\n')) {
    const [mount = '', source = ''] = line.split(' - ');
    const point = (mount.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    if (point === '' || !`${directory}/`.startsWith(point.endsWith('/') ? point : `${point}/`)) continue;
    if (point.length >= best.length) best = { length: point.length, type: source.split(' ')[0] ?? '' };
  }
  return best.type;
}

/** @throws NotSupportedError where several machines could use the file */
export function refuseNetworkFilesystem(path: string, directory: string): void {
  const found = readFilesystem(directory);
  if (found === undefined) return;
  throw new NotSupportedError(
    `${path} lies on a network file system (${found}), where SQLite's locks do not hold: choose a path on a local disk, or a backend made for several machines, such as holdfast/redis`,
  );
}

function readFilesystem(directory: string): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const magic = Number(statfsSync(directory).type);
    const type = magic >>> 0 === fuse ? mountTypeOf(directory, readFileSync('/proc/self/mountinfo', 'utf8')) : '';
    return networkFilesystem(magic, type);
  } catch {
    // A sandbox without statfs or /proc: opening the file will tell.
    return undefined;
  }
}
