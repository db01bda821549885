import type { LockRecord } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import { decodeName, type LockName } from '../../core/name.js';
import type { Context } from './context.js';
import type { Database } from './database.js';
import type { Row } from './driver.js';
import { holderColumns, holderRecord, type Place, parseHolder, placeRecord } from './rows.js';

/** One statement, so that it is one moment. Holders first, then the queue, name by name. */
const selectWhere = (which: string) => `
  SELECT 0 AS kind, 0 AS place, name, 'exclusive' AS mode, ${holderColumns.locks}, 0 AS seen FROM locks WHERE owner IS NOT NULL AND ${which}
  UNION ALL
  SELECT 1, 0, name, 'shared', ${holderColumns.shares}, 0 FROM shares WHERE ${which}
  UNION ALL
  SELECT 2, place, name, mode, owner, boot, seen, NULL, NULL, since, NULL, ttl, 0, node, metadata, seen FROM places WHERE ${which}
  ORDER BY name, kind, place`;

const selectEverything = selectWhere('true');
const selectOne = selectWhere('name = :name');

export function selectRows(db: Database): Row[] {
  return db.all(selectEverything);
}

export function selectRowsOf(db: Database, name: LockName): Row[] {
  return db.all(selectOne, { name: name.encoded });
}

export function recordsOf(context: Context, rows: readonly Row[], prefix: string): LockRecord[] {
  const records: LockRecord[] = [];
  for (const row of rows) {
    const name = String(row['name']);
    if (!decodeName(name).startsWith(prefix)) continue;
    const record = row['kind'] === 2 ? waiter(context, name, row) : holder(context, name, row);
    if (record !== undefined) records.push(record);
  }
  return records;
}

function holder(context: Context, name: string, row: Row): LockRecord | undefined {
  const mode = row['kind'] === 0 ? 'exclusive' : 'shared';
  const at: Place = { path: context.here.path, table: mode === 'exclusive' ? 'locks' : 'shares', name };
  const found = parseHolder(row, mode, at);
  const over = context.isOtherBoot(found.boot, found.writtenMs, name) || found.untilMs <= context.nowMs;
  return over ? undefined : holderRecord(found, at, context);
}

function waiter(context: Context, name: string, row: Row): LockRecord | undefined {
  const at: Place = { path: context.here.path, table: 'places', name };
  if (row['boot'] !== context.boot || Number(row['seen']) + limits.placeMs <= context.nowMs) return undefined;
  return placeRecord(row, at, context);
}
