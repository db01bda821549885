import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { recordKeyOf } from 'holdfast/idempotency';

/**
 * Compares what four parties know, each from its own books: the provider's charges, the service's ledger, the subscriber's events, and what clients were told.
 */
export async function audit({ folder, stores, told }) {
  const charges = lines(join(folder, 'charges.jsonl'));
  const events = lines(join(folder, 'events.jsonl'));
  const ledger = new Map((await stores.ledger.payments()).map((payment) => [payment.order, payment]));
  const chargesOf = grouped(charges);
  const inEvents = new Set(events.map(({ payload }) => payload.order));
  const paid = told.filter(({ status }) => status === 201);

  const double = [...chargesOf].filter(([, list]) => list.length > 1).map(([order]) => order);
  // Someone was told yes, or has paid, and the ledger knows nothing of it.
  const lost = unique([
    ...paid.filter(({ order }) => !ledger.has(order)).map(({ order }) => order),
    ...[...chargesOf.keys()].filter((order) => !ledger.has(order)),
  ]);
  const uncharged = [...ledger.keys()].filter((order) => !chargesOf.has(order));
  const orphans = events.filter(({ payload }) => !ledger.has(payload.order)).map(({ payload }) => payload.order);
  const silent = [...ledger.keys()].filter((order) => !inEvents.has(order));
  const unanswered = told.filter(({ status }) => status === undefined);
  const untrue = contradictions(told, ledger, chargesOf);
  return {
    charges: charges.length,
    doubleCharges: double.length,
    lostOrders: lost.length,
    unchargedOrders: uncharged.length,
    orphanEvents: orphans.length,
    missingEvents: silent.length,
    contradictions: untrue.length,
    unanswered: unanswered.length,
    ...(await reconciled(stores.records, unique(told.map(({ order }) => order)))),
    examples: {
      double,
      lost,
      uncharged,
      orphans,
      silent,
      untrue,
      unanswered: unanswered.map(({ order, statuses }) => `${order} (${statuses.join(' ')})`),
    },
  };
}

/** What must be zero. */
const faults = ['doubleCharges', 'lostOrders', 'unchargedOrders', 'orphanEvents', 'missingEvents', 'contradictions', 'crashes'];

/** Whether everything is as it should be. */
export function isClean(found) {
  return faults.every((fault) => found[fault] === 0) && found.frozen === found.resolved;
}

/** Orders whose clients were not all told the same, or something else than what is true. */
function contradictions(told, ledger, chargesOf) {
  const wrong = ({ order, status, text }) => {
    if (status === undefined) return false;
    if (status === 201) return ledger.has(order) && JSON.parse(text).charge !== ledger.get(order).charge;
    return status !== 402 || chargesOf.has(order);
  };
  return unique(told.filter(wrong).map(({ order }) => order));
}

/** How many requests were ever frozen, and how many of those are not any more. */
async function reconciled(records, orders) {
  const sum = { frozen: 0, resolved: 0, retried: 0, disputed: 0, unfinished: 0 };
  for (const key of orders) {
    const stored = await records.get(recordKeyOf({ namespace: 'default', tenant: undefined, operation: 'payment', key }));
    const { state, resolution, attempt, disputed } = stored === undefined ? {} : JSON.parse(stored.value);
    if (state === 'FROZEN' || resolution !== undefined) sum.frozen += 1;
    if (state !== 'FROZEN' && resolution !== undefined) sum.resolved += 1;
    if (attempt > 1) sum.retried += 1;
    if (disputed) sum.disputed += 1;
    if (state === 'PROCESSING') sum.unfinished += 1;
  }
  return sum;
}

function lines(file) {
  const text = readFileSync(file, 'utf8').trim();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line));
}

function grouped(charges) {
  const groups = new Map();
  for (const charge of charges) groups.set(charge.order, [...(groups.get(charge.order) ?? []), charge]);
  return groups;
}

const unique = (list) => [...new Set(list)];
