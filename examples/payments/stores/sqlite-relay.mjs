import { setTimeout as pause } from 'node:timers/promises';
import { lead } from 'holdfast/election';
import { within } from '../service/within.mjs';
import { times } from '../times.mjs';

/**
 * Publishes the events of the ledger, in their order: one worker at a time, elected. Events are marked after they were sent, so some are
 * sent twice, and the subscriber drops them by their id. With PostgreSQL, `relay` of holdfast/outbox does this.
 */
export function sqliteRelay(locks, ledger, url) {
  return lead(
    locks,
    'payments-relay',
    async ({ signal }) => {
      while (!signal.aborted) {
        const events = await ledger.unpublished(50);
        for (const event of events) await send(url, event, signal);
        if (events.length > 0) await ledger.published(events.map(({ number }) => number));
        else await pause(100, undefined, { signal });
      }
    },
    { ttlMs: times.termTtlMs, onError: (error) => console.error('the relay', error) },
  );
}

async function send(url, { id, payload }, signal) {
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': `"${id}"` };
  const response = await within(times.storeTimeoutMs, signal, (ending) =>
    fetch(url, { method: 'POST', headers, body: payload, signal: ending }),
  );
  if (!response.ok) throw new Error(`the subscriber answered ${response.status}`);
}
