import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { httpPublisher, messageOfEntry, messageOfRequest, type OutboxMessage, redisStreams } from '../../src/outbox/index.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { thrownBy } from '../support/waits.js';

const messages: readonly OutboxMessage[] = ['k', ' ä\u0000\ud800% ', undefined].map((key, n) => ({
  id: `00000000-0000-4000-8000-00000000000${n}`,
  key,
  sequence: key === undefined ? undefined : 7n,
  after: key === undefined ? undefined : 0n,
  type: ' tést ',
  payload: { text: 'ä\u0000', n },
  headers: { traceparent: '00-ü' },
  writtenAtMs: 1_234,
  attempt: 1,
}));

describe('over HTTP', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
    server?.closeAllConnections();
  });

  /** Answers each request with what it is told, and says what came. */
  async function receiver(answer: (headers: IncomingHttpHeaders) => { status: number; body?: string }) {
    const got: { headers: IncomingHttpHeaders; body: string }[] = [];
    server = createServer((request, response) => {
      void text(request).then((body) => {
        got.push({ headers: request.headers, body });
        const { status, body: said = '' } = answer(request.headers);
        response.writeHead(status).end(said);
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server?.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const publisher = httpPublisher({ url: `http://127.0.0.1:${port}/events`, headers: { Authorization: 'Bearer x' } });
    return {
      got,
      publish: (message: OutboxMessage, signal = new AbortController().signal) => publisher.publishOne(message, { signal }),
    };
  }

  it('an event arrives as it was, with its fence and its key of idempotency', async () => {
    const { got, publish } = await receiver(() => ({ status: 202 }));
    for (const message of messages) await publish(message);
    expect(got.map(({ headers, body }) => messageOfRequest(headers, JSON.parse(body)))).toEqual(messages);
    expect(got[0]?.headers).toMatchObject({
      authorization: 'Bearer x',
      'fencing-token': '7',
      'idempotency-key': `"${messages[0]?.id}"`,
    });
    expect(got[2]?.headers).not.toHaveProperty('fencing-token');
  });

  it('what was overtaken has arrived; other refusals are failures, some for good', async () => {
    let answer = { status: 412, body: '{"fence":"7","mark":"8"}' };
    const { publish } = await receiver(() => answer);
    const [keyed, , loose] = messages as readonly [OutboxMessage, OutboxMessage, OutboxMessage];
    await publish(keyed);
    expect(await thrownBy(publish(loose))).toMatchObject({ name: 'Error' });
    for (const body of ['', '{"fence":"7","mark":"7"}', '{"fence":"6","mark":"8"}', 'null']) {
      answer = { status: 412, body };
      expect(await thrownBy(publish(keyed)), body).toMatchObject({ name: 'Error' });
    }
    answer = { status: 503, body: 'later' };
    expect(await thrownBy(publish(keyed))).toMatchObject({ name: 'Error', message: 'the receiver answered 503: later' });
    answer = { status: 422, body: 'never' };
    expect(await thrownBy(publish(keyed))).toMatchObject({ name: 'UnpublishableError' });
    expect(await thrownBy(publish(keyed, AbortSignal.abort()))).toMatchObject({ name: 'AbortError' });
  });

  it('a request that is none of an outbox is refused, and so is a URL that is none', async () => {
    expect(() => messageOfRequest({}, null)).toThrow('none of an outbox');
    expect(() => httpPublisher({ url: 'x' })).toThrow('needs the URL');
  });
});

describe.skipIf(redisIsMissing)('over Redis Streams', () => {
  let server: RedisServer;
  const ends: (() => unknown)[] = [];
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });
  afterAll(() => server.stop());

  it('events arrive as they were and in their order, through ioredis', async () => {
    const redis = new Redis(server.port);
    ends.push(() => redis.disconnect());
    await redis.del('events');
    const answers = await redisStreams(redis, { stream: 'events' }).publishBatch(messages, {
      signal: new AbortController().signal,
    });
    expect(answers).toEqual([undefined, undefined, undefined]);
    const entries = await redis.xrange('events', '-', '+');
    // A type is a text of Redis, which keeps no half of a surrogate pair; all else is JSON.
    expect(entries.map(([, fields]) => messageOfEntry(fields))).toEqual(messages);
  });

  it('events arrive as they were and in their order, through node-redis', async () => {
    const redis = await createClient({ socket: { port: server.port } }).connect();
    ends.push(() => redis.destroy());
    await redis.del('events');
    await redisStreams(redis, { stream: ({ key }) => (key === undefined ? 'loose' : 'events') }).publishBatch(messages, {
      signal: new AbortController().signal,
    });
    const entries = await redis.xRange('events', '-', '+');
    expect(entries.map(({ message }) => messageOfEntry(message))).toEqual(messages.slice(0, 2));
  });

  it('each failure is told of its message', async () => {
    const redis = new Redis(server.port);
    ends.push(() => redis.disconnect());
    await redis.set('text', 'not a stream');
    const publisher = redisStreams(redis, { stream: ({ key }) => (key === 'k' ? 'text' : 'other') });
    const answers = await publisher.publishBatch(messages, { signal: new AbortController().signal });
    expect(answers?.map((error) => error?.message.slice(0, 9))).toEqual(['WRONGTYPE', undefined, undefined]);
    const choosy = redisStreams(redis, {
      stream: ({ key }) => {
        if (key === undefined) throw new Error('no stream for it');
        return 'other';
      },
    });
    const said = await choosy.publishBatch(messages, { signal: new AbortController().signal });
    expect(said?.map((error) => error?.message)).toEqual([undefined, undefined, 'no stream for it']);
  });

  it('an entry that is none of an outbox is refused', () => {
    expect(() => messageOfEntry(['a', 'b'])).toThrow('none of an outbox');
  });
});
