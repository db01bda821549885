import { httpAnswer, turnOf } from 'holdfast/idempotency/fastify';

/**
 * `POST /payments`: the whole of the service. By the time it runs, the middleware has made sure that nobody else runs it for the same key.
 */
export function payments({ provider, ledger }) {
  return async (request, reply) => {
    const turn = turnOf(request);
    const { order, amountCents } = request.body;
    // From here on an error does not mean that nothing was done: the request freezes until it is reconciled.
    turn.effect('charge');
    const { recordKey, attempt, fence, signal } = turn;
    const charged = await provider.charge({ order, amountCents }, { fence, requestId: `${recordKey}/${attempt}`, signal });
    if (charged === undefined) return reply.code(402).send({ order, error: 'the card was declined' });
    // Payment, event and answer come true together, if this worker still has its claim.
    const payment = await ledger.enter(charged, turn.fence, (tx, entered) =>
      turn.completeIn(tx, httpAnswer(201, receipt(entered))),
    );
    return reply.code(201).send(receipt(payment));
  };
}

/** What the client is told. */
export const receipt = ({ order, charge, amountCents }) => ({ order, charge, amountCents });
