/** BEGIN was a statement of its own, so in a transaction the two differ. */
export const inTransaction = `IF now() = statement_timestamp() THEN RAISE EXCEPTION USING ERRCODE = 'HF003', MESSAGE = 'not in a transaction'; END IF;`;

/** What looks after a lock has to see what was committed before it was obtained. */
export const readCommitted = `IF current_setting('transaction_isolation') <> 'read committed' THEN RAISE EXCEPTION USING ERRCODE = 'HF001', MESSAGE = 'Holdfast needs read committed'; END IF;`;

/** Microseconds of the server's clock: what fences and sequences are at least. */
export const nowUs = '(extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

/** Where relays that have nothing to do are told of new events. */
export function channelOf(schema: string): string {
  // An identifier, which ends after 63 bytes.
  return `holdfast_outbox_${schema}`.slice(0, 63);
}
