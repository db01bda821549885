import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Idempotent, idempotent } from '../../../src/idempotency/index.js';
import { until } from '../../support/waits.js';
import { type Answer, type Ask, ask, frameworks, type Handler, type Options, type Served } from './frameworks.js';
import { type OpenRecords, stores } from './stores.js';

/** One table of cases for each framework, on each store: real servers, real clients. */

const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-http-files-'));
const file = path.join(folder, 'receipt.bin');
writeFileSync(file, randomBytes(20_000));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const binary = randomBytes(5_000);

/** A promise to be kept from outside. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

for (const store of stores) {
  for (const framework of frameworks) {
    describe.skipIf(store.missing)(`${framework.name} on ${store.name}`, () => {
      let opened: OpenRecords;
      let operation: Idempotent;
      let served: Served | undefined;
      let executed = 0;

      beforeAll(async () => {
        opened = await store.open();
      });
      afterAll(() => opened.close());
      afterEach(async () => {
        await served?.close();
        served = undefined;
        await operation.close();
      });

      /** A server of this handler. Answers how to ask it. */
      async function start(handler: Handler, options: Options = {}): Promise<(what?: Ask) => Promise<Answer>> {
        executed = 0;
        operation = idempotent(opened.records, { operation: 'charge', namespace: randomUUID() });
        const counted: Handler = (call) => {
          executed += 1;
          return handler(call);
        };
        served = await framework.serve(operation, counted, options);
        const { port } = served;
        return (what) => ask(port, what);
      }

      /** The first answer and its replay. */
      async function twice(handler: Handler, what: Ask = {}, options: Options = {}): Promise<readonly [Answer, Answer]> {
        const send = await start(handler, options);
        const first = await send({ key: 'k', ...what });
        const second = await send({ key: 'k', ...what });
        expect([first.replayed, second.replayed, executed]).toEqual([false, true, 1]);
        return [first, second];
      }

      function expectSame(first: Answer, second: Answer): void {
        expect(second.status).toBe(first.status);
        expect(second.body.equals(first.body)).toBe(true);
        expect(second.lines).toEqual(first.lines);
      }

      const json = { 'content-type': 'application/json' };

      it('executes 64 concurrent duplicates once, and replays to those who wait', async () => {
        const { open, opened: may } = gate();
        const send = await start(
          async (call) => {
            await may;
            return call.send(201, json, '{"id":"ch_1"}');
          },
          { waitMs: 15_000 },
        );
        const all = Array.from({ length: 64 }, () => send({ key: 'k' }));
        await until(() => executed === 1, 'one of them runs');
        open();
        const answers = await Promise.all(all);
        expect(executed).toBe(1);
        expect(answers.map(({ status, body }) => `${status} ${body}`)).toEqual(Array(64).fill('201 {"id":"ch_1"}'));
        expect(answers.filter(({ replayed }) => replayed)).toHaveLength(63);
      });

      it('refuses duplicates with 409 and a time while one runs, and replays afterwards', async () => {
        const { open, opened: may } = gate();
        const send = await start(async (call) => {
          await may;
          return call.send(201, json, '{}');
        });
        const first = send({ key: 'k' });
        await until(() => executed === 1, 'it runs');
        const second = await send({ key: 'k' });
        expect(second).toMatchObject({ status: 409, problem: 'request-in-progress' });
        expect(Number(second.headers['retry-after'])).toBeGreaterThanOrEqual(1);
        open();
        expect(await first).toMatchObject({ status: 201, replayed: false });
        expect(await send({ key: 'k' })).toMatchObject({ status: 201, replayed: true });
        expect(executed).toBe(1);
      });

      it('refuses another request under the same key with 422, also while the first runs', async () => {
        const { open, opened: may } = gate();
        const send = await start(async (call) => {
          await may;
          return call.send(201, json, '{}');
        });
        const first = send({ key: 'k' });
        await until(() => executed === 1, 'it runs');
        const other = { status: 422, problem: 'idempotency-key-reused' };
        expect(await send({ key: 'k', body: { amount: 2 } })).toMatchObject(other);
        open();
        await first;
        expect(await send({ key: 'k', body: { amount: 2 } })).toMatchObject(other);
        expect(await send({ key: 'k', path: '/charges?a=1' })).toMatchObject(other);
        expect(await send({ key: 'k', path: '/refunds' })).toMatchObject(other);
        expect(await send({ key: 'k', method: 'PUT' })).toMatchObject(other);
        expect(executed).toBe(1);
      });

      it('keeps tenants apart', async () => {
        const send = await start((call) => call.send(201, json, `{"run":${executed}}`));
        const [a, b, again] = [
          await send({ key: 'k', headers: { 'x-tenant': 'a' } }),
          await send({ key: 'k', headers: { 'x-tenant': 'b' } }),
          await send({ key: 'k', headers: { 'x-tenant': 'a' } }),
        ];
        expect([a, b, again].map(({ body }) => String(body))).toEqual(['{"run":1}', '{"run":2}', '{"run":1}']);
      });

      it('replays to a request whose traceparent changed, and whose query is in another order', async () => {
        const send = await start((call) => call.send(201, json, '{}'));
        await send({ key: 'k', path: '/charges?a=1&b=2', headers: { traceparent: '00-1-1-01' } });
        const second = await send({ key: 'k', path: '/charges?b=2&a=1', headers: { traceparent: '00-2-2-01' } });
        expect(second).toMatchObject({ status: 201, replayed: true });
      });

      it('refuses missing and malformed keys with 400; a key with and without quotes is the same', async () => {
        const send = await start((call) => call.send(201, json, '{}'));
        expect(await send()).toMatchObject({ status: 400, problem: 'idempotency-key-missing' });
        for (const key of ['', '""', 'a b', 'a,b', '"a"; q=1', '"a', '"\\x"', 'x'.repeat(256)]) {
          expect(await send({ headers: { 'idempotency-key': key } }), key).toMatchObject({
            status: 400,
            problem: 'idempotency-key-malformed',
          });
        }
        const two = await send({ headers: { 'idempotency-key': ['a', 'a'] } });
        expect(two).toMatchObject({ status: 400, problem: 'idempotency-key-malformed' });
        expect(executed).toBe(0);
        await send({ key: '"8e03978e-40d5"' });
        expect(await send({ key: '8e03978e-40d5' })).toMatchObject({ status: 201, replayed: true });
      });

      it('lets safe methods through, and requests without a key where they may', async () => {
        const send = await start((call) => call.send(200, json, '{}'), { required: false });
        await send({ method: 'GET', key: 'k' });
        await send({ method: 'GET', key: 'k' });
        await send();
        await send();
        expect(executed).toBe(4);
      });

      it('hands the turn to the handler', async () => {
        const send = await start(({ turn, send: say }) =>
          say(200, json, JSON.stringify([typeof turn.fence, turn.attempt, turn.signal.aborted, typeof turn.effect])),
        );
        expect(String((await send({ key: 'k' })).body)).toBe('["bigint",1,false,"function"]');
      });

      it('replays binary bodies byte for byte', async () => {
        const [first, second] = await twice((call) => call.send(200, { 'content-type': 'application/octet-stream' }, binary));
        expect(first.body.equals(binary)).toBe(true);
        expectSame(first, second);
      });

      it('replays 204 without a body', async () => {
        const [first, second] = await twice((call) => call.send(204, { 'x-what': 'done' }));
        expect(first).toMatchObject({ status: 204, headers: { 'x-what': 'done' } });
        expect(first.body.byteLength).toBe(0);
        expectSame(first, second);
      });

      it('replays HEAD, where it is protected', async () => {
        const handler: Handler = (call) => call.send(200, { 'content-type': 'text/plain', 'content-length': '5' }, 'hello');
        const [first, second] = await twice(handler, { method: 'HEAD' }, { methods: ['HEAD'] });
        expect(first.body.byteLength).toBe(0);
        expect(first.headers['content-length']).toBe('5');
        expectSame(first, second);
      });

      it('replays headers with several values, and never cookies', async () => {
        const [first, second] = await twice((call) =>
          call.send(201, { ...json, link: ['</a>; rel=next', '</b>; rel=last'], 'set-cookie': ['a=1', 'b=2'] }, '{}'),
        );
        expect(first.headers['set-cookie']).toEqual(['a=1', 'b=2']);
        expect(second.headers['set-cookie']).toBeUndefined();
        expect(String(first.headers.link)).toBe('</a>; rel=next, </b>; rel=last');
        expectSame({ ...first, lines: first.lines.filter((line) => !line.startsWith('set-cookie')) }, second);
      });

      it('leaves headers of outer layers to them', async () => {
        const [first, second] = await twice((call) => call.send(201, json, '{}'));
        expect(first.headers['x-request-id']).toBeDefined();
        expect(second.headers['x-request-id']).toBeDefined();
        expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
      });

      it.each(framework.gzip)('replays gzip byte for byte, compressed %s', async (gzip) => {
        const text = JSON.stringify({ text: 'abc '.repeat(1_000) });
        const headers = { 'accept-encoding': 'gzip' };
        const [first, second] = await twice((call) => call.send(200, json, text), { headers }, { gzip });
        expect(first.headers['content-encoding']).toBe('gzip');
        expect(String(gunzipSync(first.body))).toBe(text);
        expectSame(first, second);
      });

      it('replays what was piped, and files', async () => {
        const chunks = ['one ', 'two ', 'three'].map((text) => Buffer.from(text));
        const [first, second] = await twice((call) =>
          call.pipe(200, { 'content-type': 'text/plain' }, Readable.from(chunks, { objectMode: false })),
        );
        expect(String(first.body)).toBe('one two three');
        expectSame(first, second);
        await served?.close();
        await operation.close();
        const [sent, again] = await twice((call) => call.file(file));
        expect(sent.body.byteLength).toBe(20_000);
        expectSame(sent, again);
      });

      it('sends large answers whole, and says 410 afterwards', async () => {
        const large = randomBytes(3_000_000);
        const source = () => Readable.from([large.subarray(0, 2_000_000), large.subarray(2_000_000)], { objectMode: false });
        const send = await start((call) => call.pipe(201, { 'content-type': 'application/octet-stream' }, source()));
        const first = await send({ key: 'k' });
        expect(first).toMatchObject({ status: 201, replayed: false });
        expect(first.body.equals(large)).toBe(true);
        const second = await send({ key: 'k' });
        expect(second).toMatchObject({ status: 410, problem: 'answer-not-kept', replayed: true });
        expect(JSON.parse(String(second.body))).toMatchObject({ answeredStatus: 201 });
        expect(executed).toBe(1);
      });

      it('does not wait for the end of server-sent events', async () => {
        const { open, opened: may } = gate();
        async function* events() {
          yield Buffer.from('data: 1\n\n');
          await may;
          yield Buffer.from('data: 2\n\n');
        }
        const send = await start((call) =>
          call.pipe(200, { 'content-type': 'text/event-stream' }, Readable.from(events(), { objectMode: false })),
        );
        const first = send({ key: 'k' });
        // The stream has not ended, and its request is over.
        await until(async () => (await send({ key: 'k' })).status === 410, 'the outcome is known');
        open();
        expect(String((await first).body)).toBe('data: 1\n\ndata: 2\n\n');
        expect(executed).toBe(1);
      });

      it('signs what was sent, whatever the handler does with it', async () => {
        const [first, second] = await twice((call) => {
          const amount = call.body['amount'];
          for (const name of Object.keys(call.body)) delete call.body[name];
          call.body['other'] = randomUUID();
          return call.send(201, json, JSON.stringify({ amount }));
        });
        expect(String(first.body)).toBe('{"amount":1}');
        expectSame(first, second);
      });

      it.each(['end', 'pipe', 'file'] as const)('completes a request whose client has left, answered by %s', async (way) => {
        const { open, opened: may } = gate();
        const leave = gate();
        const send = await start(async (call) => {
          await may;
          if (way === 'end') return call.send(201, json, '{"id":"ch_1"}');
          return way === 'file'
            ? call.file(file)
            : call.pipe(201, json, Readable.from([Buffer.from('{"id":'), Buffer.from('"ch_1"}')], { objectMode: false }));
        });
        const connections = () => served?.connections() ?? Promise.resolve(0);
        const first = send({ key: 'k', leave: leave.opened });
        await until(() => executed === 1, 'it runs');
        leave.open();
        await expect(first).rejects.toThrow('socket hang up');
        await until(async () => (await connections()) === 0, 'the server has noticed');
        open();
        let second: Answer | undefined;
        await until(async () => {
          second = await send({ key: 'k' });
          return second.status !== 409;
        }, 'it is completed');
        expect(second).toMatchObject({ status: way === 'file' ? 200 : 201, replayed: true });
        expect(second?.body.byteLength).toBe(way === 'file' ? 20_000 : 13);
        expect(executed).toBe(1);
      });

      it('freezes what failed after an effect: 409 without Retry-After, and no second execution', async () => {
        const send = await start(({ turn }) => {
          turn.effect('charge');
          throw new Error('the provider hung up');
        });
        const first = await send({ key: 'k' });
        expect(first.status).toBe(500);
        for (const again of [await send({ key: 'k' }), await send({ key: 'k' })]) {
          expect(again).toMatchObject({ status: 409, problem: 'outcome-uncertain' });
          expect(again.headers['retry-after']).toBeUndefined();
        }
        expect(executed).toBe(1);
      });

      it('lets what failed before any effect be tried again', async () => {
        const send = await start(({ turn, send: say }) => {
          if (turn.attempt === 1) throw new Error('no connection');
          return say(turn.attempt === 2 ? 429 : 201, json, '{}');
        });
        expect(
          [await send({ key: 'k' }), await send({ key: 'k' }), await send({ key: 'k' })].map(({ status }) => status),
        ).toEqual([500, 429, 201]);
        expect(await send({ key: 'k' })).toMatchObject({ status: 201, replayed: true });
        expect(executed).toBe(3);
      });

      it('replays a failure that stands', async () => {
        const [first, second] = await twice(({ turn, send: say }) => {
          turn.effect('charge');
          return say(402, json, '{"error":"card_declined"}');
        });
        expect(first.status).toBe(402);
        expectSame(first, second);
      });
    });
  }
}
