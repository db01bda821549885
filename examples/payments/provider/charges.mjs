import { appendFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';

/** The truth of every audit: one line for each charge that was really made. A line that was written outlives the process. */
export class Charges {
  #file;
  #byRequest = new Map();
  #byOrder = new Map();

  constructor(file) {
    this.#file = file;
    appendFileSync(file, '');
  }

  /**
   * Takes the money. A request that is delivered twice is known by its id, and charged once: any provider does this much. Another try of the
   * service is another request.
   */
  make({ order, amountCents, requestId, fence }) {
    const known = this.#byRequest.get(requestId);
    if (known !== undefined) return known;
    const charge = { charge: randomUUID(), order, amountCents, requestId, fence, atMs: Date.now() };
    appendFileSync(this.#file, `${JSON.stringify(charge)}\n`);
    this.#byRequest.set(requestId, charge);
    this.#byOrder.set(order, [...this.of(order), charge]);
    return charge;
  }

  of(order) {
    return this.#byOrder.get(order) ?? [];
  }
}
