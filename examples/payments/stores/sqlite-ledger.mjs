import { randomUUID } from 'node:crypto';
import { SqliteFile } from './sqlite-file.mjs';
import { SqliteGuard } from './sqlite-guard.mjs';

const schema = `
  CREATE TABLE IF NOT EXISTS payments ("order" TEXT PRIMARY KEY, charge TEXT NOT NULL, amountCents INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, id TEXT NOT NULL, payload TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0);
  ${SqliteGuard.schema};
`;

/**
 * The ledger in the embedded set-up, in the same file as the records of requests. Its events lie in a small table of its own: the outbox of Holdfast needs
 * PostgreSQL.
 */
export class SqliteLedger {
  guard;
  #file;
  #guarded;

  constructor(path, { guards }) {
    this.#file = new SqliteFile(path);
    this.guard = new SqliteGuard(this.#file);
    this.#guarded = guards;
  }

  /** Once, before the first worker starts. */
  setUp() {
    return this.#file.run(schema);
  }

  async find(order) {
    const [payment] = await this.#file.all('SELECT * FROM payments WHERE "order" = ?', order);
    return payment;
  }

  /**
   * In one transaction: the fence is checked, the payment and its event are written, and what `alongside` writes. Answers the payment as it stands.
   *
   * @throws StaleFenceError nothing was written
   */
  enter({ order, charge, amountCents }, fence, alongside = () => {}) {
    return this.#file.transaction(async (tx) => {
      if (this.#guarded) this.guard.check(tx, { resource: order, fence });
      const insert = tx.prepare('INSERT INTO payments VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
      if (insert.run(order, charge, amountCents).changes > 0) {
        const payload = JSON.stringify({ order, charge, amountCents });
        tx.prepare('INSERT INTO events (id, payload) VALUES (?, ?)').run(randomUUID(), payload);
      }
      const payment = tx.prepare('SELECT * FROM payments WHERE "order" = ?').get(order);
      await alongside(tx, payment);
      return payment;
    });
  }

  payments() {
    return this.#file.all('SELECT * FROM payments');
  }

  async eventsWaiting() {
    const [{ count }] = await this.#file.all('SELECT count(*) AS count FROM events WHERE published = 0');
    return count;
  }

  unpublished(max) {
    return this.#file.all('SELECT number, id, payload FROM events WHERE published = 0 ORDER BY number LIMIT ?', max);
  }

  published(numbers) {
    return this.#file.transaction((tx) => {
      const update = tx.prepare('UPDATE events SET published = 1 WHERE number = ?');
      for (const number of numbers) update.run(number);
    });
  }

  close() {
    return this.#file.close();
  }
}
