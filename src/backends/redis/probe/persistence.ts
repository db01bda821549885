import type { Finding } from '../../../core/backend.js';
import { type Facts, numberIn } from './facts.js';

const lostAtRestart =
  'a restart forgets the locks that are not on disk: each holder is told ("forgotten") at its next renewal, and until then another may be granted the name; fences go on from the clock';

/** What a restart of the server leaves of the locks. */
export function persistence(facts: Facts): readonly Finding[] {
  if (!facts.info.has('aof_enabled')) return [];
  return [...failures(facts), ...(facts.info.get('aof_enabled') === '1' ? appendOnly(facts) : snapshots(facts))];
}

function failures({ info, config }: Facts): readonly Finding[] {
  const found: Finding[] = [];
  const stops = config.get('stop-writes-on-bgsave-error') !== 'no' && config.get('save') !== '';
  if (info.get('rdb_last_bgsave_status') === 'err') {
    found.push({
      severity: stops ? 'critical' : 'warning',
      what: 'the last snapshot failed',
      why: stops ? 'the server refuses all writes (MISCONF) until one succeeds: nothing is granted or renewed' : lostAtRestart,
      fix: 'see its log and the free room in its folder (redis-cli CONFIG GET dir), then: redis-cli BGSAVE',
    });
  }
  if (info.get('aof_last_write_status') === 'err') {
    found.push({
      severity: 'critical',
      what: 'the last write to the append-only file failed',
      why: 'the server refuses all writes (MISCONF) until it can write to its disk again: nothing is granted or renewed',
      fix: 'make room on its disk: redis-cli CONFIG GET dir',
    });
  }
  if (info.get('aof_enabled') === '1' && info.get('aof_last_bgrewrite_status') === 'err') {
    found.push({
      severity: 'warning',
      what: 'the last rewrite of the append-only file failed',
      why: 'the file grows until the disk is full; then the server refuses all writes',
      fix: 'see its log, make room on its disk, then: redis-cli BGREWRITEAOF',
    });
  }
  return found;
}

/** How long a crash of the machine may take back, by `appendfsync`. */
function appendOnly({ config }: Facts): readonly Finding[] {
  const fsync = config.get('appendfsync');
  if (fsync === 'everysec') {
    return [
      {
        severity: 'info',
        what: 'appendfsync is everysec: a crash of the machine may take back the last second or two; a crash of the server alone takes back nothing',
        why: lostAtRestart,
        fix: 'where fences alone are not enough: redis-cli CONFIG SET appendfsync always && redis-cli CONFIG REWRITE',
      },
    ];
  }
  if (fsync !== 'no') return [];
  return [
    {
      severity: 'warning',
      what: 'appendfsync is no: a crash of the machine may take back what the kernel had not written, usually up to 30 seconds',
      why: lostAtRestart,
      fix: 'redis-cli CONFIG SET appendfsync everysec && redis-cli CONFIG REWRITE',
    },
  ];
}

const fixNone = 'redis-cli CONFIG SET appendonly yes && redis-cli CONFIG REWRITE';

function snapshots({ info, config }: Facts): readonly Finding[] {
  if (config.get('save') === '') {
    return [{ severity: 'warning', what: 'the server keeps nothing on disk', why: lostAtRestart, fix: fixNone }];
  }
  const last = numberIn(info, 'rdb_last_save_time') ?? 0;
  const changes = info.get('rdb_changes_since_last_save') ?? '0';
  const when = `the last one is of ${new Date(last * 1_000).toISOString()}, ${changes} changes ago`;
  return [
    {
      severity: 'warning',
      what: `the server writes snapshots only (${when})`,
      why: `${lostAtRestart}; records of the idempotency state machine go back to their state of then`,
      fix: fixNone,
    },
  ];
}
