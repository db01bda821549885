import { describe, expect, it } from 'vitest';
import { idempotent } from '../../src/idempotency/index.js';
import type { Records } from '../../src/core/records.js';
import { sqliteRecords, type SqliteTransaction } from '../../src/backends/sqlite/records.js';
import { Folder } from '../sqlite/support/folder.js';

const folder = new Folder();

describe('completeIn', () => {
  it('stands although a renewal of the same claim was written after the handler had last heard of one', async () => {
    const records = sqliteRecords(folder.db);
    await records.get('first use');
    const tx = folder.shell() as ReturnType<Folder['shell']> & SqliteTransaction;
    const requests = idempotent<SqliteTransaction>(renewedBehindItsBack(records), { operation: 'test' });
    const ask = () =>
      requests.run({ key: 'order-1' }, async (turn) => {
        tx.exec('BEGIN IMMEDIATE');
        await turn.completeIn(tx, 'done');
        tx.exec('COMMIT');
        return 'done';
      });
    expect(await ask()).toMatchObject({ outcome: 'executed', state: 'completed', value: 'done' });
    expect(await ask()).toMatchObject({ outcome: 'replayed', state: 'completed', value: 'done' });
    await requests.close();
    await records.close();
  });
});

/** The first write in a transaction finds that the record was just written again, as a renewal does. */
function renewedBehindItsBack(records: Records<SqliteTransaction>): Records<SqliteTransaction> {
  let isDue = true;
  return {
    ...records,
    in(tx) {
      const inside = (records.in as NonNullable<typeof records.in>)(tx);
      return {
        get: (key) => inside.get(key),
        async compareAndSet(key, version, value, ttlMs) {
          const found = isDue ? await inside.get(key) : undefined;
          isDue = false;
          if (found !== undefined) await inside.compareAndSet(key, found.version, found.value, undefined);
          return inside.compareAndSet(key, version, value, ttlMs);
        },
      };
    },
  };
}
