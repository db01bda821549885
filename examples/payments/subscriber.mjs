import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';

/**
 * Whoever wants to know of payments: it ships goods, say. Events may be published more than once: it knows them by their id, and takes each once.
 */
export class Subscriber {
  /** Events that came again, and were dropped. */
  repeated = 0;
  #seen = new Set();
  #file;
  #server = createServer((request, response) => void this.#receive(request, response));

  static async start(file) {
    const subscriber = new Subscriber();
    subscriber.#file = file;
    appendFileSync(file, '');
    subscriber.#server.listen(0, '127.0.0.1');
    await once(subscriber.#server, 'listening');
    return subscriber;
  }

  get port() {
    return this.#server.address().port;
  }

  async #receive(request, response) {
    try {
      const event = { id: request.headers['idempotency-key'], payload: await json(request) };
      if (this.#seen.has(event.id)) this.repeated += 1;
      else appendFileSync(this.#file, `${JSON.stringify(event)}\n`);
      this.#seen.add(event.id);
      response.end();
    } catch {
      response.statusCode = 400;
      response.end();
    }
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
