import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import express, { type Request as ExpressRequest } from 'express';
import fastify, { type FastifyRequest } from 'fastify';
import { type Context, Hono } from 'hono';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BackendUnavailableError, InvalidArgumentError, OutcomeUnknownError, StaleFenceError } from '../../src/core/errors.js';
import type { Records } from '../../src/core/records.js';
import {
  expressFences,
  type FencesOptions,
  fastifyFences,
  fencingOf,
  honoFences,
  httpGuard,
} from '../../src/guards/http/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { type OpenRecords, recordsOnRedis, stores } from '../idempotency/http/stores.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { thrownBy } from '../support/waits.js';

type Options = Omit<FencesOptions<never>, 'resource'>;

interface Receiver {
  readonly url: string;
  close(): Promise<void>;
}

/** A server whose handler for `PUT /orders/:id` tells the fence that was let in. */
interface Framework {
  readonly name: string;
  listen(records: Records, ran: () => void, options?: Options): Promise<Receiver>;
}

async function listening(server: http.Server): Promise<Receiver> {
  if (!server.listening) await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const shown = (request: object) => ({ resource: fencingOf(request)?.resource, fence: String(fencingOf(request)?.fence) });

const frameworks: readonly Framework[] = [
  {
    name: 'Express',
    listen(records, ran, options = {}) {
      const app = express();
      const fences = expressFences(records, { resource: (request: ExpressRequest) => String(request.params['id']), ...options });
      app.all('/marks', fences.marks);
      app.all('/orders/:id', fences, (request, response) => {
        ran();
        response.json(shown(request));
      });
      return listening(app.listen(0, '127.0.0.1'));
    },
  },
  {
    name: 'Fastify',
    async listen(records, ran, options = {}) {
      const app = fastify({ forceCloseConnections: true });
      const resource = ({ params }: FastifyRequest) => (params as { id: string }).id;
      const fences = fastifyFences<FastifyRequest>(records, { resource, ...options });
      app.all('/marks', fences.marks);
      app.all('/orders/:id', { preHandler: fences }, async (request) => {
        ran();
        return shown(request);
      });
      await app.listen({ port: 0, host: '127.0.0.1' });
      return { url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, close: () => app.close() };
    },
  },
  {
    name: 'Hono',
    listen(records, ran, options = {}) {
      const app = new Hono();
      const fences = honoFences(records, { resource: (c: Context) => c.req.param('id') ?? '', ...options });
      app.all('/marks', fences.marks);
      app.all('/orders/:id', fences, (c) => {
        ran();
        return c.json(shown(c));
      });
      return listening(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as http.Server);
    },
  },
];

const max = 2n ** 63n - 1n;
let count = 0;
const fresh = () => `order-${++count}`;

for (const store of stores) {
  for (const framework of frameworks) {
    describe.skipIf(store.missing)(`fences over HTTP: ${framework.name}, marks in ${store.name}`, () => {
      let opened: OpenRecords;
      let receiver: Receiver | undefined;
      let executed = 0;

      beforeAll(async () => {
        opened = await store.open();
      });
      afterAll(() => opened.close());
      afterEach(() => receiver?.close());

      async function start(options?: Options) {
        executed = 0;
        const ran = () => {
          executed += 1;
        };
        receiver = await framework.listen(opened.records, ran, options);
        const { url } = receiver;
        return { url, guard: httpGuard({ marksUrl: `${url}/marks` }) };
      }

      const put = (url: string, id: string, headers: Record<string, string> = {}, method = 'PUT') =>
        fetch(`${url}/orders/${id}`, { method, headers });

      it('lets a first fence in, an equal one and a higher one, and refuses a lower one with both fences', async () => {
        const { url, guard } = await start();
        const id = fresh();
        const run = (fence: bigint) =>
          guard.run({ resource: id, fence }, async (send) => (await send(`${url}/orders/${id}`, { method: 'PUT' })).json());
        expect(await guard.mark(id)).toBeUndefined();
        for (const fence of [5n, 5n, 7n, 10n, max - 1n, max]) {
          expect(await run(fence)).toEqual({ resource: id, fence: String(fence) });
          expect(await guard.mark(id)).toBe(fence);
        }
        expect(executed).toBe(6);
        const error = await thrownBy(run(9n));
        assert(error instanceof StaleFenceError, String(error));
        expect(error).toMatchObject({ sink: 'http', resource: id, fence: 9n, mark: max });
        expect(executed).toBe(6);
      });

      it('answers 412 with a problem document', async () => {
        const { url } = await start();
        const id = fresh();
        await put(url, id, { 'fencing-token': '34' });
        const answer = await put(url, id, { 'fencing-token': '33' });
        expect([answer.status, answer.headers.get('content-type')]).toEqual([412, 'application/problem+json']);
        expect(await answer.json()).toMatchObject({
          type: 'urn:holdfast:stale-fence',
          status: 412,
          resource: id,
          fence: '33',
          mark: '34',
        });
        // As numbers, not as texts.
        await put(url, id, { 'fencing-token': '100' });
        expect((await put(url, id, { 'fencing-token': '99' })).status).toBe(412);
      });

      it('refuses what is no fence, a fence that is there twice, and none at all', async () => {
        const { url } = await start();
        for (const token of ['0', '-1', '+1', '1.0', '0x10', '01', ' ', '1e3', '٣', String(max + 1n), '9'.repeat(40), '5, 5']) {
          const answer = await put(url, fresh(), { 'fencing-token': Buffer.from(token).toString('latin1') });
          expect([token, answer.status]).toEqual([token, 400]);
        }
        const { port } = new URL(url);
        const twice = http
          .request({ port, path: `/orders/${fresh()}`, method: 'PUT', headers: { 'fencing-token': ['5', '5'] } })
          .end();
        const [response] = (await once(twice, 'response')) as [http.IncomingMessage];
        response.resume();
        expect(response.statusCode).toBe(400);
        expect((await put(url, fresh())).status).toBe(428);
        expect(executed).toBe(0);
      });

      it('lets requests without a fence pass where they may, and reading always', async () => {
        const { url } = await start({ missing: 'pass' });
        expect((await put(url, fresh())).status).toBe(200);
        expect((await put(url, fresh(), {}, 'GET')).status).toBe(200);
        expect((await put(url, fresh(), { 'fencing-token': 'x' })).status).toBe(400);
        expect(executed).toBe(2);
      });

      it('raises a mark without a write, and answers the one that stands', async () => {
        const { url, guard } = await start();
        const id = fresh();
        expect(await guard.raise({ resource: id, fence: 8n })).toBe(8n);
        expect(await guard.raise({ resource: id, fence: 4n })).toBe(8n);
        expect((await put(url, id, { 'fencing-token': '7' })).status).toBe(412);
        expect((await put(url, id, { 'fencing-token': '8' })).status).toBe(200);
        expect((await fetch(`${url}/marks?resource=a`, { method: 'DELETE' })).status).toBe(405);
        expect((await fetch(`${url}/marks`)).status).toBe(400);
        expect((await fetch(`${url}/marks?resource=a`, { method: 'PUT' })).status).toBe(428);
      });

      it('agrees on one mark when many raise it at once', async () => {
        const { url, guard } = await start();
        const id = fresh();
        const statuses = await Promise.all(
          Array.from({ length: 40 }, async (_, index) => (await put(url, id, { 'fencing-token': String(index + 1) })).status),
        );
        expect(new Set(statuses)).toEqual(new Set(statuses.includes(412) ? [200, 412] : [200]));
        expect(statuses[39]).toBe(200);
        expect(await guard.mark(id)).toBe(40n);
      });

      it('keeps a mark for ever', async () => {
        const { url } = await start({ prefix: `p${framework.name}${store.name}:` });
        const id = fresh();
        // Made, and then raised.
        await put(url, id, { 'fencing-token': '5' });
        await put(url, id, { 'fencing-token': '6' });
        const found = [];
        for await (const record of opened.records.list?.(`p${framework.name}${store.name}:`) ?? []) found.push(record);
        expect(found.map(({ expiresAtMs }) => expiresAtMs)).toEqual([undefined]);
      });
    });
  }
}

describe.skipIf(redisIsMissing)('fences over HTTP, when something fails', () => {
  it.each(frameworks)('$name lets nothing in that it cannot check', async ({ listen }) => {
    const server = await RedisServer.start();
    const proxy = await FaultProxy.start(server.port);
    const { records, close } = recordsOnRedis(proxy.port, 200);
    let executed = 0;
    const ran = () => {
      executed += 1;
    };
    const receiver = await listen(records, ran, { callTimeoutMs: 200 });
    try {
      proxy.silence();
      const answer = await fetch(`${receiver.url}/orders/1`, { method: 'PUT', headers: { 'fencing-token': '5' } });
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({ type: 'urn:holdfast:marks-unavailable' });
      const guard = httpGuard({ marksUrl: `${receiver.url}/marks` });
      expect(await thrownBy(guard.raise({ resource: '1', fence: 5n }))).toBeInstanceOf(BackendUnavailableError);
      expect(executed).toBe(0);
    } finally {
      await receiver.close();
      await close();
      await proxy.close();
      await server.stop();
    }
  });
});

describe('the sending side', () => {
  it('tells a 412 about something else from a stale fence', async () => {
    const server = http.createServer((_, response) => {
      response.writeHead(412, { 'content-type': 'application/problem+json' }).end('{"type":"about:blank"}');
    });
    const { url, close } = await listening(server.listen(0, '127.0.0.1'));
    try {
      const status = await httpGuard().run(
        { resource: 'r', fence: 1n },
        async (send) => (await send(url, { method: 'PUT' })).status,
      );
      expect(status).toBe(412);
    } finally {
      await close();
    }
  });

  it('keeps the headers of the request, also of a Request', async () => {
    const heard: (string | undefined)[] = [];
    const server = http.createServer(({ headers }, response) => {
      heard.push(`${headers['x-a']} ${headers['fencing-token']}`);
      response.end();
    });
    const { url, close } = await listening(server.listen(0, '127.0.0.1'));
    try {
      await httpGuard().run({ resource: 'r', fence: 7n }, async (send) => {
        await send(new Request(url, { method: 'POST', headers: { 'x-a': '1' } }));
        await send(url, { headers: [['x-a', '2']] });
      });
      expect(heard).toEqual(['1 7', '2 7']);
    } finally {
      await close();
    }
  });

  it.each(['{}', 'null', '<html>', '{"mark":null}', '{"mark":"4"}', '{"mark":"x"}'])(
    'does not take a 200 with %s for a raised mark',
    async (body) => {
      const server = http.createServer((_, response) => response.end(body));
      const { url, close } = await listening(server.listen(0, '127.0.0.1'));
      try {
        const error = await thrownBy(httpGuard({ marksUrl: url }).raise({ resource: 'r', fence: 5n }));
        expect(error).toBeInstanceOf(BackendUnavailableError);
        expect(String(error)).toContain('marksUrl');
      } finally {
        await close();
      }
    },
  );

  it('says that it does not know when nobody answers, and refuses what is no fence', async () => {
    const server = http.createServer(() => {});
    const { url, close } = await listening(server.listen(0, '127.0.0.1'));
    try {
      const guard = httpGuard({ marksUrl: url, callTimeoutMs: 100, sink: 'orders' });
      expect(await thrownBy(guard.raise({ resource: 'r', fence: 1n }))).toBeInstanceOf(OutcomeUnknownError);
      expect(await thrownBy(guard.run({ resource: 'r', fence: 0n }, () => {}))).toBeInstanceOf(InvalidArgumentError);
      expect(await thrownBy(httpGuard().mark('r'))).toBeInstanceOf(InvalidArgumentError);
    } finally {
      await close();
    }
  });
});
