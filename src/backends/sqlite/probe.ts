import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import type { Finding } from '../../core/backend.js';
import type { Database } from './database.js';
import type { Settings } from './location.js';

/** tmpfs and ramfs. */
const memoryFilesystems: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** What could make this store unsafe, read from the open file. */
export function findings(settings: Settings, db: Database): Finding[] {
  return [
    ...journal(settings, db),
    ...integrity(settings, db),
    ...permissions(settings),
    ...filesystem(settings),
    ...durability(settings),
  ];
}

function journal({ path }: Settings, db: Database): Finding[] {
  const mode = String(db.get('PRAGMA journal_mode')?.['journal_mode']);
  if (mode === 'wal') return [];
  return [
    {
      severity: 'warning',
      what: `${path} uses the journal mode "${mode}" instead of WAL`,
      why: 'locks are safe, but every one of them waits for the disk, and readers block writers',
      fix: `sqlite3 ${path} "PRAGMA journal_mode = WAL"`,
    },
  ];
}

function integrity({ path }: Settings, db: Database): Finding[] {
  const answer = String(Object.values(db.get('PRAGMA quick_check(1)') ?? {})[0]);
  if (answer === 'ok') return [];
  return [
    {
      severity: 'critical',
      what: `${path} is damaged: ${answer}`,
      why: 'a lock may be forgotten or given twice',
      fix: `stop whoever uses it, then: mv ${path} ${path}.damaged && rm -f ${path}-wal ${path}-shm`,
    },
  ];
}

function permissions({ path }: Settings): Finding[] {
  if (process.platform === 'win32') return [];
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o006) === 0) return [];
  return [
    {
      severity: (mode & 0o002) === 0 ? 'warning' : 'critical',
      what: `${path} can be ${(mode & 0o002) === 0 ? 'read' : 'written'} by every user of this machine (mode ${mode.toString(8)})`,
      why: 'it holds the secrets that prove who holds a lock: with them anybody can release it',
      fix: `chmod o-rw ${path} ${path}-wal ${path}-shm`,
    },
  ];
}

function filesystem({ path }: Settings): Finding[] {
  if (!memoryFilesystems.has(Number(statfsSync(dirname(path)).type) >>> 0)) return [];
  return [
    {
      severity: 'info',
      what: `${path} lies in memory (tmpfs)`,
      why: 'it is gone after a reboot, which is harmless: a reboot ends every lease, and fences go on from the clock. It does fill memory, and may be private to a service (PrivateTmp)',
      fix: 'choose a path on disk if other services are to see it',
    },
  ];
}

function durability({ synchronous }: Settings): Finding[] {
  if (synchronous === 'full') return [];
  return [
    {
      severity: 'info',
      what: 'synchronous=normal: the last commits before a power loss may be gone',
      why: 'harmless for leases: all their processes are gone with them, and fences go on from the clock, unless it is stepped back while the machine is off',
      fix: "sqlite({ synchronous: 'full' }), or sqlite:…?synchronous=full",
    },
  ];
}
