import { join } from 'node:path';
import { Holdfast } from 'holdfast';
import { sqlite, sqliteRecords } from 'holdfast/sqlite';
import { SqliteLedger } from './sqlite-ledger.mjs';
import { sqliteRelay } from './sqlite-relay.mjs';

/** The embedded set-up: two files, no server. Records and ledger share one, so that one transaction can write to both. */
export async function openSqlite({ folder, guards }) {
  const records = sqliteRecords(join(folder, 'payments.db'));
  // The file is made by Holdfast, at the first use, and the ledger's tables are added to it.
  await records.get('first use');
  const ledger = new SqliteLedger(join(folder, 'payments.db'), { guards });
  const locks = new Holdfast(sqlite(join(folder, 'locks.db')));
  return {
    records,
    ledger,
    locks,
    setUp: () => ledger.setUp(),
    relay: (url) => sqliteRelay(locks, ledger, url),
    async close() {
      await locks.close();
      await records.close();
      await ledger.close();
    },
  };
}
