import { lead } from 'holdfast/election';
import { httpAnswer } from 'holdfast/idempotency/fastify';
import { answerOf, reconciler } from 'holdfast/idempotency/reconcile';
import { times } from '../times.mjs';
import { receipt } from './payments.mjs';

/**
 * Finds out what became of frozen requests. All workers stand for election; whoever leads may be frozen, too, and its term tells it from the next one.
 *
 * `sinks` is what it rests on: the fence of a frozen request is raised there before anybody looks. With the guards off there are none, and what was not found may still come.
 */
export function reconciling({ records, locks, provider, ledger, guards }) {
  const resources = ({ key }) => [key];
  const job = reconciler(records, {
    sinks: guards ? [provider, ledger].map(({ guard }) => ({ guard, resources })) : [],
    resolve: (request, evidence, { signal }) => outcomeOf(request, evidence, { provider, ledger, signal }),
    everyMs: times.reconcileEveryMs,
    callTimeoutMs: times.providerTimeoutMs,
    resolveTimeoutMs: 2 * times.providerTimeoutMs,
  });
  job.on('failed', ({ recordKey, error }) => console.error('not resolved, tried again', recordKey, error.message));
  return lead(locks, 'payments-reconciler', (term) => job.run(term), {
    ttlMs: times.termTtlMs,
    onError: (error) => console.error('the reconciler', error),
  });
}

/** The order of the payment is its idempotency key. */
async function outcomeOf({ key: order, fence }, { late }, { provider, ledger, signal }) {
  const entered = await ledger.find(order);
  if (entered !== undefined) return completed(entered, 'it is in the ledger');
  const [charged] = await provider.chargesOf(order, signal);
  if (charged !== undefined) return completed(await ledger.enter(charged, fence), 'the provider has charged it');
  // A worker that had lost its claim was told by the provider that the card was declined.
  const declined = late.find(({ outcome }) => outcome === 'failed');
  if (declined !== undefined) return { verdict: 'failed', value: answerOf(declined.answer), why: 'the card was declined' };
  return { verdict: 'retry', proof: { source: "the provider's list of charges", notFound: `a charge for ${order}`, fence } };
}

const completed = (payment, why) => ({ verdict: 'completed', value: httpAnswer(201, receipt(payment)), why });
