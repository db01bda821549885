import type { Context } from './context.js';
import { countOthers } from './schema.js';

/** Rows idle for this long are taken out. */
const idleMs = 3_600_000;
/** Rows looked at in one sweep: bounds its time. More than are made between two sweeps. */
const rowsMax = 1_024;
/** Operations of this process between two sweeps. */
export const sweepEvery = 1_000;

const selectCursor = "SELECT value FROM meta WHERE key = 'sweep_cursor'";
const selectEnd = 'SELECT name FROM locks WHERE name > :cursor ORDER BY name LIMIT 1 OFFSET :rows';

const range = 'name > :cursor AND (:last IS NULL OR name <= :last)';

const deleteShares = `DELETE FROM shares WHERE ${range} AND (boot <> :boot OR until < :idle)`;
const deletePlaces = `DELETE FROM places WHERE ${range} AND (boot <> :boot OR seen < :idle)`;
const deleteWatchers = `DELETE FROM watchers WHERE ${range} AND (boot <> :boot OR since < :idle)`;
const recount = `UPDATE locks SET others = ${countOthers('locks.name')} WHERE ${range} AND others > 0`;

const isIdle = `${range} AND others = 0 AND (boot <> :boot OR (written < :idle AND (owner IS NULL OR until < :idle)))`;

/** New rows start above every fence of the rows that go. */
const raiseFloor = `
  INSERT INTO meta (key, value)
  SELECT 'fence_floor', fence FROM (SELECT max(fence) AS fence FROM locks WHERE ${isIdle}) WHERE fence IS NOT NULL
  ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)`;
const deleteIdle = `DELETE FROM locks WHERE ${isIdle}`;

const writeCursor = `
  INSERT INTO meta (key, value) VALUES ('sweep_cursor', :cursor)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value`;

const deleteRecords = 'DELETE FROM records WHERE expires <= :wall';

/** Looks at the next rows after those of the last sweep, whoever did it, and takes out what is long over. */
export function sweep(context: Context): void {
  const { db, boot } = context;
  const from = db.get(selectCursor)?.['value'];
  // The empty name sorts first and is looked at only at the start of a round; it is one row.
  const cursor = typeof from === 'string' ? from : '';
  const end = db.get(selectEnd, { cursor, rows: rowsMax })?.['name'];
  const last = typeof end === 'string' ? end : null;
  const bound = { cursor, last };
  const idle = { ...bound, boot, idle: context.nowMs - idleMs };
  const removed = db.run(deleteShares, idle) + db.run(deletePlaces, idle) + db.run(deleteWatchers, idle);
  if (removed > 0) db.run(recount, bound);
  db.run(raiseFloor, idle);
  db.run(deleteIdle, idle);
  if (last !== null || cursor !== '') db.run(writeCursor, { cursor: last ?? '' });
  db.run(deleteRecords, { wall: Date.now() });
}
