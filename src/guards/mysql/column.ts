import { type FencedUpdate, statementsOf, updatedOrMissing } from '../columns.js';
import { type MysqlConnection, matchedRows } from './client.js';
import { identifier } from './sql.js';

export type { FencedUpdate } from '../columns.js';

const dialect = { sink: 'mysql', identifier, place: () => '?', lock: 'FOR UPDATE' };

/**
 * Updates one row of the application's own table where its `fence` column is not above the fence, and writes the fence with it: one statement, which needs no
 * transaction. Answers `missing` where there is no such row: that is not a stale fence. The mark of a row that is deleted is gone with it.
 *
 * @param tx a pool or connection of `mysql2/promise`, in a transaction or not
 * @throws StaleFenceError nothing was written
 * @throws InvalidArgumentError
 */
export async function updateFenced(tx: MysqlConnection, write: FencedUpdate): Promise<'updated' | 'missing'> {
  const statements = statementsOf(write, dialect);
  const ask = async ({ text, values }: { text: string; values: unknown[] }) => (await tx.query(text, values))[0] as unknown;
  return updatedOrMissing(
    statements,
    write.fence,
    async () => matchedRows(await ask(statements.update)),
    async () => ((await ask(statements.look)) as readonly { readonly r?: string | null }[])[0]?.r,
  );
}
