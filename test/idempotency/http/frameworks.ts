import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import fastifyCompress from '@fastify/compress';
import { serve } from '@hono/node-server';
import compression from 'compression';
import express, { type Request as ExpressRequest, type Response as ExpressResponse } from 'express';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { Hono } from 'hono';
import { compress } from 'hono/compress';
import { stream } from 'hono/streaming';
import { expressIdempotency, keepRawBody, turnOf } from '../../../src/idempotency/http/express.js';
import { fastifyIdempotency } from '../../../src/idempotency/http/fastify.js';
import { honoIdempotency, type IdempotencyVariables } from '../../../src/idempotency/http/hono.js';
import type { HttpIdempotencyOptions } from '../../../src/idempotency/http/options.js';
import type { Idempotent, Turn } from '../../../src/idempotency/index.js';

export type Lines = Readonly<Record<string, string | string[]>>;

/** One request as the test's handler sees it, in whatever framework. */
export interface Call {
  readonly turn: Turn;
  readonly body: Record<string, unknown>;
  readonly method: string;
  send(status: number, headers: Lines, body?: Buffer | string): unknown;
  pipe(status: number, headers: Lines, body: Readable): unknown;
  file(path: string): unknown;
}
export type Handler = (call: Call) => unknown;

/** Options without what is typed by the framework. */
export type Options = Omit<HttpIdempotencyOptions<never>, 'tenant'> & {
  /** Compresses answers, on this side of the middleware. */
  readonly gzip?: 'inside' | 'outside';
};

export interface Served {
  readonly port: number;
  /** Open ones. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export interface Framework {
  readonly name: string;
  /** Where a compressing middleware can stand. */
  readonly gzip: readonly ('inside' | 'outside')[];
  serve(idempotent: Idempotent, handler: Handler, options?: Options): Promise<Served>;
}

/** The header that stands for what an authentication would find out. */
const tenantHeader = 'x-tenant';

function connectionsOf(server: http.Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );
}

async function listening(server: http.Server): Promise<Served> {
  if (!server.listening) await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connectionsOf(server),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const viaExpress: Framework = {
  name: 'Express',
  gzip: ['inside', 'outside'],
  async serve(idempotent, handler, { gzip, ...options } = {}) {
    const app = express();
    const zip = compression({ threshold: 0 });
    app.use((_, response, next) => {
      // Of a layer outside: new in every answer.
      response.setHeader('X-Request-Id', String(Math.random()));
      next();
    });
    if (gzip === 'outside') app.use(zip);
    app.use(express.json({ verify: keepRawBody }));
    app.use(expressIdempotency<ExpressRequest>(idempotent, { tenant: (request) => request.get(tenantHeader), ...options }));
    if (gzip === 'inside') app.use(zip);
    app.use(async (request: ExpressRequest, response: ExpressResponse) => {
      await handler(expressCall(request, response));
    });
    // Quiet: the errors are the tests' own.
    app.use((error: Error, _: ExpressRequest, response: ExpressResponse, _next: unknown) => {
      response.status(500).json({ error: error.message });
    });
    return listening(app.listen(0, '127.0.0.1'));
  },
};

function expressCall(request: ExpressRequest, response: ExpressResponse): Call {
  const head = (status: number, headers: Lines) => {
    response.status(status);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  };
  return {
    turn: turnOf(request) as Turn,
    body: request.body as Record<string, unknown>,
    method: request.method,
    send(status, headers, body) {
      head(status, headers);
      response.end(body);
    },
    pipe(status, headers, body) {
      head(status, headers);
      body.pipe(response);
    },
    file: (path) => response.sendFile(path),
  };
}

const viaFastify: Framework = {
  name: 'Fastify',
  gzip: ['inside'],
  async serve(idempotent, handler, { gzip, ...options } = {}) {
    const app = fastify({ forceCloseConnections: true });
    app.addHook('onRequest', (_, reply, done) => {
      reply.header('X-Request-Id', String(Math.random()));
      done();
    });
    if (gzip !== undefined) await app.register(fastifyCompress, { threshold: 0 });
    await app.register(
      fastifyIdempotency<FastifyRequest>(idempotent, { tenant: ({ headers }) => headers[tenantHeader]?.toString(), ...options }),
    );
    app.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      url: '/*',
      exposeHeadRoute: false,
      handler: (request, reply) => handler(fastifyCall(request, reply)),
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return {
      port: (app.server.address() as AddressInfo).port,
      connections: () => connectionsOf(app.server),
      close: () => app.close(),
    };
  },
};

function fastifyCall(request: FastifyRequest, reply: FastifyReply): Call {
  return {
    turn: turnOf(request) as Turn,
    body: request.body as Record<string, unknown>,
    method: request.method,
    send: (status, headers, body) => reply.code(status).headers(headers).send(body),
    pipe: (status, headers, body) => reply.code(status).headers(headers).send(body),
    file: (path) => reply.type('application/octet-stream').send(createReadStream(path)),
  };
}

const viaHono: Framework = {
  name: 'Hono',
  gzip: ['inside', 'outside'],
  async serve(idempotent, handler, { gzip, ...options } = {}) {
    const app = new Hono<{ Variables: IdempotencyVariables }>();
    app.use(async (c, next) => {
      c.header('X-Request-Id', String(Math.random()));
      await next();
    });
    if (gzip === 'outside') app.use(compress({ threshold: 0 }));
    app.use(honoIdempotency(idempotent, { ...options, tenant: (c) => c.req.raw.headers.get(tenantHeader) ?? undefined }));
    if (gzip === 'inside') app.use(compress({ threshold: 0 }));
    app.all('/*', async (c) => {
      const lines = (headers: Lines) => {
        for (const [name, value] of Object.entries(headers))
          for (const one of [value].flat()) c.header(name, one, { append: true });
      };
      const call: Call = {
        turn: c.get('idempotency') as Turn,
        body: c.req.method === 'GET' || c.req.method === 'HEAD' ? {} : await c.req.json().catch(() => ({})),
        method: c.req.method,
        send(status, headers, body) {
          lines(headers);
          return body === undefined ? c.body(null, status as 204) : c.body(new Uint8Array(Buffer.from(body)), status as 200);
        },
        pipe(status, headers, body) {
          lines(headers);
          c.status(status as 200);
          return stream(c, async (out) => out.pipe(Readable.toWeb(body) as ReadableStream));
        },
        file(path) {
          c.header('Content-Type', 'application/octet-stream');
          return c.body(Readable.toWeb(createReadStream(path)) as ReadableStream);
        },
      };
      return (await handler(call)) as Response;
    });
    app.onError((error, c) => c.json({ error: error.message }, 500));
    return listening(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as http.Server);
  },
};

export const frameworks: readonly Framework[] = [viaExpress, viaFastify, viaHono];

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Names and values as they came, but for those of one transmission. */
  readonly lines: readonly string[];
  readonly body: Buffer;
  /** Of a problem document. */
  readonly problem: string | undefined;
  readonly replayed: boolean;
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly key?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: unknown;
  /** Resolves with the socket's bytes, not with an answer: to leave early. */
  readonly leave?: Promise<unknown>;
}

const ofOneTransmission = new Set([
  'date',
  'connection',
  'keep-alive',
  'x-request-id',
  'idempotent-replayed',
  'transfer-encoding',
]);

/** One request on a connection of its own. */
export async function ask(
  port: number,
  { method = 'POST', path = '/charges', key, headers, body = { amount: 1 }, leave }: Ask = {},
): Promise<Answer> {
  const bytes = method === 'GET' || method === 'HEAD' ? undefined : JSON.stringify(body);
  const request = http.request({
    port,
    host: '127.0.0.1',
    method,
    path,
    agent: false,
    headers: {
      ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...headers,
    },
  });
  request.end(bytes);
  void leave?.then(() => request.destroy());
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const whole = Buffer.concat(chunks);
  const { rawHeaders } = response;
  const lines = rawHeaders.flatMap((name, at) =>
    at % 2 === 0 && !ofOneTransmission.has(name.toLowerCase()) ? [`${name.toLowerCase()}: ${rawHeaders[at + 1]}`] : [],
  );
  const isProblem = response.headers['content-type'] === 'application/problem+json';
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    lines: lines.sort(),
    body: whole,
    problem: isProblem ? String((JSON.parse(String(whole)) as { type: string }).type).replace('urn:holdfast:', '') : undefined,
    replayed: response.headers['idempotent-replayed'] === 'true',
  };
}
