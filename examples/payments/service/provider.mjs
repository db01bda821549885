import { httpGuard } from 'holdfast/guards/http';
import { times } from '../times.mjs';
import { within } from './within.mjs';

/** The payment provider, as the service sees it. */
export class Provider {
  /** Adds the fence to requests, and raises the mark for reconciliation. */
  guard;
  #url;
  #guarded;

  constructor(url, { guards }) {
    this.#url = url;
    this.#guarded = guards;
    this.guard = httpGuard({ sink: 'provider', marksUrl: `${url}/marks`, callTimeoutMs: times.providerTimeoutMs });
  }

  /**
   * Charges the customer, or answers undefined if the card was declined. Whatever it throws, the charge may have been made, now or later.
   *
   * @throws StaleFenceError it was not made: somebody else has taken over
   */
  charge({ order, amountCents }, { fence, requestId, signal }) {
    const request = {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Request-Id': requestId },
      body: JSON.stringify({ order, amountCents }),
    };
    return within(times.providerTimeoutMs, signal, async (ending) => {
      const send = (fetchOf) => fetchOf(`${this.#url}/charges`, { ...request, signal: ending });
      const response = await (this.#guarded ? this.guard.run({ resource: order, fence }, send) : send(fetch));
      return response.status === 402 ? undefined : bodyOf(response);
    });
  }

  /** What was charged for an order. */
  chargesOf(order, signal) {
    const url = `${this.#url}/charges?order=${encodeURIComponent(order)}`;
    return within(times.providerTimeoutMs, signal, async (ending) => bodyOf(await fetch(url, { signal: ending })));
  }
}

function bodyOf(response) {
  if (!response.ok) throw new Error(`the provider answered ${response.status}`);
  return response.json();
}
