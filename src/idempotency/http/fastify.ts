import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Idempotent } from '../idempotent.js';
import type { Turn } from '../turn.js';
import type { HeaderLines } from './answer.js';
import { Engine } from './engine.js';
import { hasBody, readAll, readAndPutBack } from './node-body.js';
import { linesOf as rawLinesOf } from './node-capture.js';
import { exchange, send } from './node-exchange.js';
import type { HttpIdempotencyOptions } from './options.js';
import { merged } from './sending.js';
import { remember } from './turns.js';

export { httpAnswer } from './answer.js';
export { turnOf } from './turns.js';
export type { HttpIdempotencyOptions };

/** What is used of Fastify's request. The handler finds its turn in `idempotency`. */
export interface FastifyRequestLike {
  readonly raw: IncomingMessage;
  idempotency?: Turn | null;
}

/** What is used of Fastify's reply. */
export interface FastifyReplyLike {
  readonly raw: ServerResponse;
  getHeaders(): Record<string, number | string | string[] | undefined>;
  hijack(): unknown;
}

/** What is used of Fastify itself. */
export interface FastifyLike<Request> {
  decorateRequest(name: 'idempotency', value: null): unknown;
  addHook(name: 'preParsing', hook: (request: Request, reply: FastifyReplyLike, payload: Readable) => Promise<Readable>): unknown;
  addHook(name: 'preHandler', hook: (request: Request, reply: FastifyReplyLike, done: (error?: Error) => void) => void): unknown;
}

/**
 * Plugin for Fastify that executes a request once, and replays its answer to whoever asks again under the same key. Nothing is sent before the outcome is in the
 * store. It serves all routes of the scope in which it is registered, after their validation.
 *
 * @throws InvalidArgumentError
 */
export function fastifyIdempotency<Request extends FastifyRequestLike = FastifyRequestLike>(
  idempotent: Idempotent,
  options: HttpIdempotencyOptions<Request> = {},
): (fastify: FastifyLike<Request>) => Promise<void> {
  const engine = new Engine(idempotent, options);
  const bodies = new WeakMap<object, Uint8Array>();
  const { header, requestBytesMax } = engine.options;

  /** Reads the body in front of every parser, and hands it on. */
  const preParsing = async (request: Request, reply: FastifyReplyLike, payload: Readable): Promise<Readable> => {
    const key = request.raw.headers[header.toLowerCase()];
    if (engine.look(request.raw.method ?? '', key === undefined ? undefined : String(key)) !== undefined) return payload;
    const { raw } = request;
    if (payload === raw && !hasBody(raw)) return payload;
    // Put back where nobody has changed it: then a plugin that reads the request itself finds it, too.
    const body = payload === raw ? await readAndPutBack(raw, requestBytesMax) : await readAll(payload, requestBytesMax);
    if (body === undefined) return refuseLarge(reply, payload);
    bodies.set(request, body);
    if (payload === raw) return payload;
    const copy = Readable.from(body.byteLength === 0 ? [] : [body], { objectMode: false });
    // Fastify compares it with Content-Length.
    return Object.assign(copy, { receivedEncodedLength: body.byteLength });
  };

  /** A parser could not be given half a body. */
  const refuseLarge = (reply: FastifyReplyLike, payload: Readable): Readable => {
    const before = merged(rawLinesOf(reply.raw), linesOf(reply));
    reply.hijack();
    send(reply.raw, before, engine.tooLarge(), undefined);
    return payload;
  };

  const preHandler = (request: Request, reply: FastifyReplyLike, done: (error?: Error) => void): void => {
    const adapter = {
      request,
      incoming: request.raw,
      response: reply.raw,
      target: request.raw.url ?? '',
      body: async () => bodies.get(request) ?? Buffer.alloc(0),
      pending: () => linesOf(reply),
      takeOver: () => void reply.hijack(),
      next: (turn: Turn | undefined) => {
        if (turn !== undefined) remember(request, turn);
        done();
      },
    };
    exchange(engine, adapter).catch(done);
  };

  const plugin = async (fastify: FastifyLike<Request>): Promise<void> => {
    fastify.decorateRequest('idempotency', null);
    fastify.addHook('preParsing', preParsing);
    fastify.addHook('preHandler', preHandler);
  };
  // Its hooks are for the scope that registers it, not for one of its own.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true });
}

function linesOf(reply: FastifyReplyLike): HeaderLines {
  return Object.entries(reply.getHeaders()).map(([name, value]) => [name, Array.isArray(value) ? value : String(value)]);
}
