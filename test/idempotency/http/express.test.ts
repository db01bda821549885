import { once } from 'node:events';
import type http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, expect, it } from 'vitest';
import { expressIdempotency, httpAnswer, keepRawBody } from '../../../src/idempotency/http/express.js';
import { idempotent } from '../../../src/idempotency/index.js';
import { type Answer, ask } from './frameworks.js';
import { stores } from './stores.js';

/** What is Express's own: where the parser stands, and what the middleware is told when it is set up wrong. */

let ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends) await end();
  ends = [];
});

async function serve(build: (app: express.Express, guard: express.RequestHandler) => void, tenant?: () => string) {
  const sqlite = stores.find(({ name }) => name === 'SQLite');
  const opened = await sqlite?.open();
  if (opened === undefined) throw new Error('SQLite is always there');
  const operation = idempotent(opened.records, { operation: 'charge' });
  const app = express();
  build(app, expressIdempotency(operation, tenant === undefined ? {} : { tenant }) as express.RequestHandler);
  app.use((error: Error, _: express.Request, response: express.Response, _next: unknown) => {
    response.status(500).json({ error: error.message });
  });
  const server: http.Server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends = [() => new Promise((resolve) => server.close(resolve)), () => operation.close(), () => opened.close()];
  const { port } = server.address() as AddressInfo;
  return (amount = 1): Promise<Answer> => ask(port, { key: 'k', body: { amount } });
}

const echo: express.RequestHandler = (request, response) => void response.status(201).json(request.body);

it('reads the body itself where no parser has, and leaves it to the parsers after it', async () => {
  const send = await serve((app, guard) => app.use(guard).use(express.json()).use(echo));
  expect(String((await send()).body)).toBe('{"amount":1}');
  expect(await send()).toMatchObject({ status: 201, replayed: true });
  expect(await send(2)).toMatchObject({ status: 422 });
});

it('takes the bytes of express.raw() as they are', async () => {
  const raw = express.raw({ type: '*/*' });
  const send = await serve((app, guard) =>
    app
      .use(raw)
      .use(guard)
      .use((_, response) => void response.status(204).end()),
  );
  expect(await send()).toMatchObject({ status: 204, replayed: false });
  expect(await send()).toMatchObject({ status: 204, replayed: true });
  expect(await send(2)).toMatchObject({ status: 422 });
});

it('says what to do where the bytes are gone', async () => {
  const send = await serve((app, guard) => app.use(express.json()).use(guard).use(echo));
  const answer = await send();
  expect(answer.status).toBe(500);
  expect(String(answer.body)).toContain('verify: keepRawBody');
});

it('passes on what the options throw, and executes nothing', async () => {
  let executed = 0;
  const parse = express.json({ verify: keepRawBody });
  const send = await serve(
    (app, guard) =>
      app
        .use(parse)
        .use(guard)
        .use(() => {
          executed += 1;
        }),
    () => {
      throw new Error('no such account');
    },
  );
  expect(String((await send()).body)).toContain('no such account');
  expect(executed).toBe(0);
});

it('has answers for records that others write', () => {
  const answer = httpAnswer(201, { id: 'ch_1' }, { location: '/charges/ch_1' });
  expect(String(answer.body)).toBe('{"id":"ch_1"}');
  expect(answer.headers).toEqual([
    ['Content-Type', 'application/json; charset=utf-8'],
    ['location', '/charges/ch_1'],
  ]);
});
