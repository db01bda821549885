import { InvalidArgumentError } from '../../core/errors.js';
import { type FencedUpdate, statementsOf, updatedOrMissing } from '../columns.js';
import { identifier } from './sql.js';

export type { FencedUpdate } from '../columns.js';

/** A pool or client of `pg`, or the `sql` of postgres.js, in a transaction or not. */
type Queries =
  | { query(text: string, values: unknown[]): Promise<object> }
  | { unsafe(text: string, values: never[]): PromiseLike<object> };

const dialect = { sink: 'postgres', identifier, place: (index: number) => `$${index}`, lock: '' };

/**
 * Updates one row of the application's own table where its `fence` column is not above the fence, and writes the fence with it: one statement, which needs no
 * transaction. Answers `missing` where there is no such row: that is not a stale fence. The mark of a row that is deleted is gone with it.
 *
 * @throws StaleFenceError nothing was written
 * @throws InvalidArgumentError
 */
export async function updateFenced(tx: Queries, write: FencedUpdate): Promise<'updated' | 'missing'> {
  const statements = statementsOf(write, dialect);
  const ask = async ({ text, values }: { text: string; values: unknown[] }) => {
    if ('unsafe' in tx && typeof tx.unsafe === 'function') {
      const rows = (await tx.unsafe(text, values as never[])) as unknown as { r?: string | null }[] & { count: number };
      return { rows, count: rows.count };
    }
    if (!('query' in tx))
      throw new InvalidArgumentError('updateFenced() needs a pool or client of pg, or the sql of postgres.js');
    const { rows, rowCount } = (await tx.query(text, values)) as { rows: { r?: string | null }[]; rowCount: number | null };
    return { rows, count: rowCount ?? 0 };
  };
  return updatedOrMissing(
    statements,
    write.fence,
    async () => (await ask(statements.update)).count,
    async () => (await ask(statements.look)).rows[0]?.r,
  );
}
