import { outbox, relay } from 'holdfast/outbox';
import { postgresDatabase } from 'holdfast/postgres';
import { emptied, inTransaction } from './shared.mjs';

export async function open({ pool, keyOf, whole }) {
  const database = postgresDatabase(pool);
  const events = outbox(database);
  return {
    write: (numbers) =>
      inTransaction(pool, (tx) =>
        events.write(
          tx,
          numbers.map((n) => ({ key: keyOf(n), type: 'bench', payload: { n } })),
        ),
      ),
    settle: () => pool.query('VACUUM ANALYZE'),
    relay(handled) {
      const one = ({ payload }) => handled(payload.n);
      const publisher = whole
        ? { publishBatch: async (messages) => void messages.forEach(one) }
        : { publishOne: async (message) => one(message) };
      relay(database, publisher, { batch: 1_000 });
    },
    drained: () => emptied(pool, 'SELECT EXISTS (SELECT FROM holdfast.outbox_events) AS r'),
  };
}
