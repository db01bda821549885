import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { serve } from '@hono/node-server';
import express from 'express';
import fastify, { type FastifyRequest } from 'fastify';
import { Hono } from 'hono';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expressIdempotency, httpAnswer, keepRawBody, turnOf } from '../../../src/idempotency/http/express.js';
import { fastifyIdempotency } from '../../../src/idempotency/http/fastify.js';
import { honoIdempotency } from '../../../src/idempotency/http/hono.js';
import { type Idempotent, idempotent } from '../../../src/idempotency/index.js';
import { until } from '../../support/waits.js';
import { type Answer, ask, frameworks, type Handler, type Options, type Served } from './frameworks.js';
import { type OpenRecords, stores } from './stores.js';

/** What clients and handlers seldom do: odd requests, odd answers, odd set-ups. One store will do. */

let opened: OpenRecords;
let operation: Idempotent;
let ends: (() => unknown)[] = [];
let count = 0;

beforeAll(async () => {
  const sqlite = stores.find(({ name }) => name === 'SQLite');
  if (sqlite === undefined) throw new Error('SQLite is always there');
  opened = await sqlite.open();
});
afterAll(() => opened.close());
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
});

function guarded(): Idempotent {
  operation = idempotent(opened.records, { operation: 'charge', namespace: `odd-${++count}` });
  const { close } = operation;
  ends.push(() => close.call(operation));
  return operation;
}

async function listening(server: http.Server): Promise<number> {
  if (!server.listening) await once(server, 'listening');
  ends.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

/** Bytes as they are, on one connection; resolves with all that comes until `enough`. */
async function raw(port: number, bytes: string, enough: (text: string) => boolean): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  ends.push(() => socket.destroy());
  let text = '';
  let isOver = false;
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('close', () => {
    isOver = true;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  // What is missing the caller sees.
  await until(() => enough(text) || isOver, 'the answers are there', 4_000).catch(() => {});
  return text;
}

function post(key: string, { version = '1.1', headers = '', body = '{"amount":1}' } = {}): string {
  return `POST /charges HTTP/${version}\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
}

const json = { 'content-type': 'application/json' };

describe.each(frameworks)('$name', (framework) => {
  async function start(handler: Handler, options: Options = {}): Promise<number> {
    const served: Served = await framework.serve(guarded(), handler, options);
    ends.push(() => served.close());
    return served.port;
  }

  it('answers pipelined requests, also those whose turn comes while their answer is kept back', async () => {
    let heard = '';
    const answers = () => heard.match(/"nth":\d+/g) ?? [];
    let executed = 0;
    const port = await start(async (call) => {
      const nth = executed++;
      await until(() => answers().length === nth, 'those before it are answered');
      return call.send(201, json, JSON.stringify({ nth }));
    });
    await raw(port, post('a') + post('b') + post('c'), (text) => {
      heard = text;
      return answers().length === 3;
    });
    expect(answers()).toEqual(['"nth":0', '"nth":1', '"nth":2']);
  });

  it('goes on with the connection after a replay, a refusal and a body that nobody read', async () => {
    const port = await start((call) => call.send(201, json, '{}'));
    const large = `{"amount":"${'1'.repeat(90_000)}"}`;
    const bytes =
      post('a', { body: large }) + post('a', { body: large }).replace('Idempotency-Key: a', 'X: a') + post('b', { body: large });
    const statuses = (text: string) => text.match(/HTTP\/1\.1 \d+/g) ?? [];
    const text = await raw(port, bytes, (heard) => statuses(heard).length === 3);
    expect(statuses(text)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 400', 'HTTP/1.1 201']);
  });

  it('speaks HTTP/1.0, and waits with 100 Continue for nobody', async () => {
    const port = await start((call) =>
      call.pipe(201, json, Readable.from([Buffer.from('{"id":'), Buffer.from('1}')], { objectMode: false })),
    );
    const first = await raw(port, post('a', { version: '1.0' }), (heard) => heard.endsWith('{"id":1}'));
    const second = await raw(port, post('a', { version: '1.0', headers: 'Expect: 100-continue\r\n' }), (heard) =>
      heard.endsWith('{"id":1}'),
    );
    for (const text of [first, second]) {
      expect(text).toMatch(/ 201 Created\r\n/);
      expect(text.slice(-8)).toBe('{"id":1}');
      expect(text).not.toMatch(/chunked/i);
    }
    expect(second).toMatch(/idempotent-replayed: true/i);
  });

  // With Express a parser stands in front: see below.
  it.skipIf(framework.name === 'Express')('refuses a body beyond the bound with 413', async () => {
    let executed = 0;
    const port = await start(
      (call) => {
        executed += 1;
        return call.send(201, json, '{}');
      },
      { requestBytesMax: 50_000 },
    );
    const answer = await ask(port, { key: 'k', body: { text: 'x'.repeat(3_000_000) } }).catch(String);
    expect(answer).toMatchObject({ status: 413, problem: 'request-too-large' });
    expect(executed).toBe(0);
  });

  it('replays 204 with its headers, and takes a header’s name in any case', async () => {
    const port = await start((call) => call.send(204, { 'x-a': '1' }));
    const texts = [];
    for (const header of ['IDEMPOTENCY-KEY', 'idempotency-key']) {
      texts.push(await ask(port, { headers: { [header]: 'k' } }));
    }
    expect(texts.map(({ status, replayed }) => [status, replayed])).toEqual([
      [204, false],
      [204, true],
    ]);
    expect(texts[1]?.lines).toEqual(texts[0]?.lines);
  });

  it('executes nothing of a request whose client leaves while its body is read', async () => {
    let executed = 0;
    const port = await start((call) => {
      executed += 1;
      return call.send(201, json, '{}');
    });
    const socket = net.connect(port, '127.0.0.1');
    socket.write(post('k', { body: '{"amount":1}' }).slice(0, -3));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    expect(await ask(port, { key: 'k' })).toMatchObject({ status: 201, replayed: false });
    expect(executed).toBe(1);
  });

  it('tells the client when what decides about an answer throws', async () => {
    const port = await start((call) => call.send(201, json, '{}'), {
      finality: () => {
        throw new Error('no idea');
      },
    });
    const answer = await Promise.race([ask(port, { key: 'k' }), new Promise((resolve) => setTimeout(resolve, 3_000))]);
    expect(answer).toMatchObject({ status: 500 });
  });

  it('gives up a handler that never answers, once its client has left', async () => {
    let executed = 0;
    const port = await start(
      (call) => {
        executed += 1;
        return executed === 1 ? new Promise(() => {}) : call.send(201, json, '{}');
      },
      { abandonedMs: 50 },
    );
    const leave = until(() => executed === 1, 'it runs');
    await expect(ask(port, { key: 'k', leave })).rejects.toThrow();
    let last: Answer | undefined;
    await until(
      async () => {
        last = await ask(port, { key: 'k' });
        return last.status !== 409;
      },
      'the next one may try',
      5_000,
    );
    expect(last).toMatchObject({ status: 201, replayed: false });
  });
});

describe('Node’s own answers', () => {
  async function start(handler: express.RequestHandler, options = {}): Promise<number> {
    const app = express();
    app.use(expressIdempotency(guarded(), options) as express.RequestHandler).use(handler);
    app.use((error: Error, _: express.Request, response: express.Response, _next: unknown) => {
      response.status(500).json({ error: error.message });
    });
    return listening(app.listen(0, '127.0.0.1'));
  }

  it('leaves trailers to the first answer', async () => {
    const port = await start((_, response) => {
      response.setHeader('Trailer', 'X-Sum');
      response.addTrailers({ 'X-Sum': '1' });
      response.status(200).end('hello');
    });
    const text = await raw(port, post('a'), (heard) => heard.includes('X-Sum: 1') || heard.includes(' 500 '));
    expect(text).toMatch(/hello\r\n0\r\nX-Sum: 1/);
    expect(await ask(port, { key: 'a' })).toMatchObject({ status: 200, replayed: true });
  });

  it('ends an answer whose source fails, instead of keeping the client waiting', async () => {
    async function* source() {
      yield Buffer.from('one');
      throw new Error('the disk is gone');
    }
    let told = false;
    const port = await start((_, response) => {
      pipeline(Readable.from(source(), { objectMode: false }), response, () => {
        told = true;
      });
    });
    const answer = await Promise.race([
      ask(port, { key: 'k' }).catch(String),
      new Promise((resolve) => setTimeout(resolve, 3_000)),
    ]);
    expect(answer).toMatchObject({ status: 503, problem: 'outcome-not-recorded' });
    expect(told).toBe(true);
  });

  it('writes in pieces with backpressure, and gives all of them back', async () => {
    const pieces = Array.from({ length: 40 }, () => randomBytes(50_000));
    const port = await start(async (_, response) => {
      for (const piece of pieces) if (!response.write(piece)) await once(response, 'drain');
      response.end();
    });
    const answer = await ask(port, { key: 'k' });
    expect(answer.body.equals(Buffer.concat(pieces))).toBe(true);
  });

  it('refuses a body beyond the bound with 413', async () => {
    const port = await start((_, response) => void response.end('no'), { requestBytesMax: 50_000 });
    expect(await ask(port, { key: 'k', body: { text: 'x'.repeat(3_000_000) } }).catch(String)).toMatchObject({
      status: 413,
      problem: 'request-too-large',
    });
    // A client that reads nothing before it has sent all.
    const text = await raw(port, post('k', { body: 'x'.repeat(3_000_000) }) + post('b'), (heard) => heard.endsWith('no'));
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200']);
  });

  it('passes errors of the handler to the error handler, in every way', async () => {
    const ways: express.RequestHandler[] = [
      (_, __, next) => next(new Error('by next')),
      async () => {
        throw new Error('async');
      },
      () => {
        throw new Error('thrown');
      },
    ];
    const port = await start((request, response, next) => ways[Number(request.query['way'])]?.(request, response, next));
    for (const [way, message] of ['by next', 'async', 'thrown'].entries()) {
      const answer = await ask(port, { key: `k${way}`, path: `/?way=${way}` });
      expect([answer.status, String(answer.body)]).toEqual([500, JSON.stringify({ error: message })]);
    }
  });

  it('says that it is mounted twice, and keeps no answer of its own', async () => {
    const app = express();
    const guard = expressIdempotency(guarded()) as express.RequestHandler;
    app.use(guard).post('/charges', guard, (_, response) => void response.status(201).end());
    app.use((error: Error, _: express.Request, response: express.Response, _next: unknown) => {
      response.status(500).json({ error: error.message });
    });
    const port = await listening(app.listen(0, '127.0.0.1'));
    for (const answer of [await ask(port, { key: 'k' }), await ask(port, { key: 'k' })]) {
      expect(answer.status).toBe(500);
      expect(String(answer.body)).toContain('twice');
    }
  });
});

describe('answers that were written in a transaction of the handler’s', () => {
  it('are the first answer, too', async () => {
    const records = opened.records as typeof opened.records & { in?: unknown };
    const inTransaction = Object.assign(Object.create(records), { in: () => records });
    const guard = idempotent<unknown>(inTransaction, { operation: 'charge', namespace: `odd-${++count}` });
    ends.push(() => guard.close());
    const app = express();
    app.use(express.json({ verify: keepRawBody }), expressIdempotency(guard as Idempotent) as express.RequestHandler);
    app.post('/charges', async (request, response) => {
      await turnOf(request)?.completeIn(undefined as never, httpAnswer(201, { id: 'ch_1' }, { Location: '/charges/ch_1' }));
      response.status(201).location('/charges/ch_1').json({ id: 'ch_1', at: Date.now() });
    });
    const port = await listening(app.listen(0, '127.0.0.1'));
    const [first, second] = [await ask(port, { key: 'k' }), await ask(port, { key: 'k' })];
    expect([first.replayed, second.replayed]).toEqual([false, true]);
    expect([second.status, String(second.body)]).toEqual([first.status, String(first.body)]);
    expect(second.lines).toEqual(first.lines);
  });
});

describe('Fastify’s bodies', () => {
  it('leaves the request’s own stream to plugins that read it', async () => {
    const app = fastify({ forceCloseConnections: true });
    await app.register(fastifyIdempotency<FastifyRequest>(guarded()));
    app.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null));
    app.post('/charges', async (request, reply) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request.raw) chunks.push(chunk as Buffer);
      return reply.code(201).send({ heard: String(Buffer.concat(chunks)) });
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    ends.push(() => app.close());
    const { port } = app.server.address() as AddressInfo;
    const what = { key: 'k', headers: { 'content-type': 'multipart/form-data; boundary=x' } };
    const answer = await ask(port, what);
    expect(JSON.parse(String(answer.body))).toEqual({ heard: '{"amount":1}' });
    expect(await ask(port, what)).toMatchObject({ status: 201, replayed: true });
    expect(await ask(port, { ...what, body: { amount: 2 } })).toMatchObject({ status: 422 });
  });
});

describe('Hono’s bodies', () => {
  it('finds the bytes where a validation in front has read them', async () => {
    const app = new Hono();
    app.use(async (c, next) => {
      await c.req.json();
      await next();
    });
    app.use(honoIdempotency(guarded()));
    app.post('/charges', async (c) => c.json(await c.req.json(), 201));
    const port = await listening(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as http.Server);
    expect(await ask(port, { key: 'k' })).toMatchObject({ status: 201, replayed: false });
    expect(await ask(port, { key: 'k' })).toMatchObject({ status: 201, replayed: true });
    expect(await ask(port, { key: 'k', body: { amount: 2 } })).toMatchObject({ status: 422 });
  });
});
