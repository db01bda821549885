import { postgresGuard } from 'holdfast/guards/postgres';
import { outbox } from 'holdfast/outbox';

const schema = `
  CREATE TABLE IF NOT EXISTS payments ("order" text PRIMARY KEY, charge text NOT NULL, "amountCents" integer NOT NULL)`;

/** The ledger in PostgreSQL, with the guard and the outbox of Holdfast. */
export class PostgresLedger {
  guard;
  #pool;
  #events;
  #guarded;

  constructor(pool, database, { guards }) {
    this.#pool = pool;
    this.guard = postgresGuard(pool, { sink: 'ledger' });
    this.#events = outbox(database);
    this.#guarded = guards;
  }

  /** Once, before the first worker starts. */
  async setUp() {
    await this.#pool.query(schema);
    await this.guard.setup();
  }

  async find(order) {
    const { rows } = await this.#pool.query('SELECT * FROM payments WHERE "order" = $1', [order]);
    return rows[0];
  }

  /**
   * In one transaction: the fence is checked, the payment and its event are written, and what `alongside` writes. Answers the payment as it stands.
   *
   * @throws StaleFenceError nothing was written
   */
  enter({ order, charge, amountCents }, fence, alongside = () => {}) {
    return this.#transaction(async (tx) => {
      if (this.#guarded) await this.guard.check(tx, { resource: order, fence });
      const insert = 'INSERT INTO payments VALUES ($1, $2, $3) ON CONFLICT DO NOTHING';
      const { rowCount } = await tx.query(insert, [order, charge, amountCents]);
      if (rowCount > 0) {
        await this.#events.write(tx, { key: order, type: 'payment.made', payload: { order, charge, amountCents } });
      }
      const { rows } = await tx.query('SELECT * FROM payments WHERE "order" = $1', [order]);
      await alongside(tx, rows[0]);
      return rows[0];
    });
  }

  async payments() {
    return (await this.#pool.query('SELECT * FROM payments')).rows;
  }

  async eventsWaiting() {
    return (await this.#events.status()).waiting;
  }

  async #transaction(work) {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      client.release();
      return result;
    } catch (error) {
      // The connection may be the trouble: the server rolls back when it is closed.
      client.release(true);
      throw error;
    }
  }
}
