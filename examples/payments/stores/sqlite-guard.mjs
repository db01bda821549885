import { StaleFenceError } from 'holdfast';

/**
 * A guard in a few lines, for a sink that Holdfast has none for: the mark is compared and raised in the very transaction that
 * writes. Fences are bound as text: a number of JavaScript may be too small for them.
 */
export class SqliteGuard {
  static schema = 'CREATE TABLE IF NOT EXISTS fences (resource TEXT PRIMARY KEY, mark INTEGER NOT NULL)';
  sink = 'ledger';
  #file;

  constructor(file) {
    this.#file = file;
  }

  /** @throws StaleFenceError a higher fence was here: roll back */
  check(tx, { resource, fence }) {
    const mark = raise(tx, { resource, fence });
    if (mark > fence) throw new StaleFenceError({ sink: this.sink, resource, fence, mark });
  }

  /** For reconciliation: from now on every lower fence is refused. Answers the mark that stands. */
  raise(write) {
    return this.#file.transaction((tx) => raise(tx, write));
  }
}

function raise(tx, { resource, fence }) {
  tx.prepare(
    `INSERT INTO fences VALUES (?, CAST(? AS INTEGER)) ON CONFLICT (resource) DO UPDATE SET mark = max(mark, excluded.mark)`,
  ).run(resource, String(fence));
  return BigInt(tx.prepare('SELECT CAST(mark AS TEXT) AS mark FROM fences WHERE resource = ?').get(resource).mark);
}
