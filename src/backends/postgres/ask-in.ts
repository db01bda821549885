import type { Transaction } from '../../core/database.js';
import { InvalidArgumentError, NotSupportedError } from '../../core/errors.js';
import { answerOf } from './drivers/pg-client.js';
import { sqlStateOf } from './errors.js';

/**
 * One statement in a transaction of the application; answers the column `r` of its first row.
 *
 * @param who for the message: `acquireIn()`
 * @throws InvalidArgumentError if the statement found that there is no transaction (HF003), NotSupportedError; else what the library throws
 */
export async function askIn(tx: Transaction, text: string, who: string): Promise<string | null> {
  const shape = Object(tx) as { unsafe?: unknown; query?: unknown };
  try {
    if (typeof shape.unsafe === 'function') {
      return answerOf({ rows: await (tx as { unsafe(text: string): unknown }).unsafe(text) });
    }
    if (typeof shape.query === 'function') {
      return answerOf(await (tx as { query(text: string): Promise<unknown> }).query(text));
    }
  } catch (cause) {
    if (sqlStateOf(cause) !== 'HF003') throw cause;
    throw new InvalidArgumentError(
      `${who} was called outside of a transaction, where it would end with its own statement: send BEGIN first`,
      { cause },
    );
  }
  throw new NotSupportedError(
    `${who} needs the client of a transaction: a Client of pg, or the sql that postgres.js hands to sql.begin`,
  );
}
