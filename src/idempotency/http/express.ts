import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Idempotent } from '../idempotent.js';
import type { Turn } from '../turn.js';
import { Engine } from './engine.js';
import { hasBody, readAndPutBack } from './node-body.js';
import { exchange } from './node-exchange.js';
import type { HttpIdempotencyOptions } from './options.js';

import { remember } from './turns.js';

export type { HttpIdempotencyOptions };

export { httpAnswer } from './answer.js';
export { turnOf } from './turns.js';

/** A request of Express, or of anything else on Node's own. The handler finds its turn in `idempotency`. */
export type NodeRequest = IncomingMessage & { readonly originalUrl?: string; readonly body?: unknown; idempotency?: Turn };

export type ExpressMiddleware<Request> = (request: Request, response: ServerResponse, next: (error?: unknown) => void) => void;

const rawBodies = new WeakMap<object, Uint8Array>();

/** For the `verify` option of Express's parsers: keeps the bytes, which are part of what a request says. */
export function keepRawBody(request: object, _response: unknown, body: Uint8Array): void {
  rawBodies.set(request, body);
}

/**
 * Middleware for Express that executes a request once, and replays its answer to whoever asks again under the same key. Nothing is sent before the outcome is in
 * the store. Mount it behind authentication and behind a parser with `verify: keepRawBody`.
 *
 * @throws InvalidArgumentError
 */
export function expressIdempotency<Request extends NodeRequest = NodeRequest>(
  idempotent: Idempotent,
  options: HttpIdempotencyOptions<Request> = {},
): ExpressMiddleware<Request> {
  const engine = new Engine(idempotent, options);
  return (request, response, next) => {
    const adapter = {
      request,
      incoming: request,
      response,
      target: request.originalUrl ?? request.url ?? '',
      body: () => rawBodyOf(request, engine.options.requestBytesMax),
      next: (turn: Turn | undefined) => {
        if (turn !== undefined) remember(request, turn);
        next();
      },
    };
    exchange(engine, adapter).catch(next);
  };
}

/** As they came: from the parser's hook, from a parser that keeps them, or read here and put back for a parser to come. */
async function rawBodyOf(request: NodeRequest, bytesMax: number): Promise<Uint8Array | undefined> {
  const raw = rawBodies.get(request);
  if (raw !== undefined) return raw;
  if (request.body instanceof Uint8Array) return request.body;
  if (!hasBody(request)) return Buffer.alloc(0);
  return readAndPutBack(request, bytesMax);
}
