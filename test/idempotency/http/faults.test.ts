import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Idempotent, type IdempotentOptions, idempotent } from '../../../src/idempotency/index.js';
import { FaultProxy } from '../../../src/testkit/faults/proxy.js';
import { RedisServer, redisIsMissing } from '../../support/redis-server.js';
import { until } from '../../support/waits.js';
import { ask, frameworks, type Handler, type Options, type Served } from './frameworks.js';
import { type OpenRecords, recordsOnRedis } from './stores.js';

/** Of one command. The first one connects as well, and has to get through on a busy machine. */
const commandMsMax = 750;

/** The store goes away before, while and after the handler runs. What the client may be told then. */

const json = { 'content-type': 'application/json' };

for (const framework of frameworks) {
  describe.skipIf(redisIsMissing)(`${framework.name}, with a store that fails`, () => {
    let server: RedisServer;
    let proxy: FaultProxy;
    let opened: OpenRecords;
    let operation: Idempotent;
    let served: Served;
    let executed = 0;

    beforeAll(async () => {
      server = await RedisServer.start();
    });
    afterAll(() => server.stop());
    beforeEach(async () => {
      proxy = await FaultProxy.start(server.port);
      opened = recordsOnRedis(proxy.port, commandMsMax);
      executed = 0;
    });
    afterEach(async () => {
      await served.close();
      await operation.close();
      await opened.close();
      await proxy.close();
    });

    async function start(handler: Handler, settings: Partial<IdempotentOptions> = {}, options: Options = {}): Promise<void> {
      operation = idempotent(opened.records, {
        operation: 'charge',
        namespace: randomUUID(),
        leaseTtlMs: 4 * commandMsMax,
        callTimeoutMs: commandMsMax,
        ...settings,
      });
      served = await framework.serve(
        operation,
        (call) => {
          executed += 1;
          return handler(call);
        },
        options,
      );
    }

    it('answers 503 and executes nothing while the store is away', async () => {
      await start((call) => call.send(201, json, '{}'));
      proxy.silence();
      expect(await ask(served.port, { key: 'k' })).toMatchObject({ status: 503, problem: 'idempotency-unavailable' });
      expect(executed).toBe(0);
      proxy.speak();
      await until(async () => (await ask(served.port, { key: 'other' })).status === 201, 'the store is back');
    });

    it('says no yes whose record could not be written, and does not execute again', async () => {
      await start((call) => {
        proxy.silence();
        return call.send(201, { ...json, 'x-charge': 'ch_1' }, '{"id":"ch_1"}');
      });
      const first = await ask(served.port, { key: 'k' });
      expect(first).toMatchObject({ status: 503, problem: 'outcome-not-recorded' });
      expect(first.headers['x-charge']).toBeUndefined();
      proxy.speak();
      // The client library may have sent the write once more, after its deadline: then it is known after all, and else it freezes.
      const known = async () => {
        const { problem, replayed } = await ask(served.port, { key: 'k' });
        return replayed || problem === 'outcome-uncertain';
      };
      await until(known, 'it is decided');
      expect(executed).toBe(1);
    });

    it('sends no byte of a large answer before its outcome is recorded', async () => {
      await start((call) => {
        proxy.silence();
        return call.send(200, { 'content-type': 'application/octet-stream' }, Buffer.alloc(200_000, 'x'));
      });
      expect(await ask(served.port, { key: 'k' })).toMatchObject({ status: 503, problem: 'outcome-not-recorded' });
      proxy.speak();
      expect(executed).toBe(1);
    });

    it('keeps the answer back until the completing write is acknowledged', async () => {
      await start(
        (call) => {
          proxy.silence();
          return call.send(201, json, '{"id":"ch_1"}');
        },
        { leaseTtlMs: 20_000 },
      );
      let heard = false;
      const first = ask(served.port, { key: 'k' }).finally(() => {
        heard = true;
      });
      await until(() => executed === 1, 'it has run');
      // As many tries of the completing write as time out here.
      await new Promise((resolve) => setTimeout(resolve, 2.4 * commandMsMax));
      expect(heard).toBe(false);
      proxy.speak();
      expect(await first).toMatchObject({ status: 201, replayed: false });
      expect(await ask(served.port, { key: 'k' })).toMatchObject({ status: 201, replayed: true });
      expect(executed).toBe(1);
    });

    it('answers 503 with a time when there is no room', async () => {
      let open = () => {};
      const may = new Promise<void>((resolve) => {
        open = resolve;
      });
      await start(
        async (call) => {
          await may;
          return call.send(201, json, '{}');
        },
        { inFlightMax: 1 },
      );
      const first = ask(served.port, { key: 'k' });
      await until(() => executed === 1, 'it runs');
      const second = await ask(served.port, { key: 'other' });
      expect(second).toMatchObject({ status: 503, problem: 'idempotency-full' });
      expect(Number(second.headers['retry-after'])).toBeGreaterThanOrEqual(1);
      open();
      expect(await first).toMatchObject({ status: 201 });
    });

    it('takes two round trips for a fresh request and one for a replay', async () => {
      await start((call) => call.send(201, json, '{}'), { leaseTtlMs: 20_000 });
      // Scripts are loaded, and the frameworks compiled.
      await ask(served.port, { key: 'first' });
      await ask(served.port, { key: 'first' });
      const scripts = async () => {
        const lines = await server.lines('INFO', 'commandstats');
        return lines
          .filter((line) => /^cmdstat_(?:evalsha|eval|fcall)\b/.test(line))
          .reduce((sum, line) => sum + Number(/calls=(\d+)/.exec(line)?.[1]), 0);
      };
      const before = await scripts();
      await ask(served.port, { key: 'k' });
      const fresh = await scripts();
      expect(await ask(served.port, { key: 'k' })).toMatchObject({ replayed: true });
      expect([fresh - before, (await scripts()) - fresh]).toEqual([2, 1]);
    });
  });
}
