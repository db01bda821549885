import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { dynamodb } from '../../src/backends/dynamodb/index.js';
import { DynamoDBServer, dynalite } from '../support/dynamodb-server.js';
import { awakeMs, thrownBy, until } from '../support/waits.js';
import { gate } from './front.js';
import { ask, granted, heldOf, recordsOf, Scene } from './support.js';

describe('a service that goes away and comes back', () => {
  const scene = new Scene(dynalite);

  it('killed and started again within the TTL: the holder keeps its lease, and waiters go on', async () => {
    const locks = scene.holder({ ttlMs: 12_000 });
    const lease = await locks.acquire('restart');
    expect(await scene.work(lease)).toBe(true);
    const next = scene.holder().acquire('restart');
    await scene.server.kill();
    await sleep(300);
    await scene.server.boot();
    lease.assertHeld();
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
    const after = await next;
    expect(after.fence).toBeGreaterThan(0n);
    expect(await scene.work(after)).toBe(true);
    await after.release();
  });

  it('killed for longer: the holder hears of it by its deadline, and asks fail with what to do', async () => {
    const locks = scene.holder({ ttlMs: 1_500, unavailableMs: 300 });
    const lease = await locks.acquire('outage');
    const sinceMs = awakeMs();
    await scene.server.kill();
    const failure = thrownBy(locks.acquire('other'));
    await until(() => lease.signal.aborted, 'the loss is signalled');
    expect(awakeMs() - sinceMs).toBeLessThan(1_600);
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST', loss: 'expired' });
    expect(await failure).toMatchObject({ message: expect.stringMatching(/check that .*reach/) });
    await scene.server.boot();
    await (await locks.acquire('other')).release();
  });

  it('stopped: every call has a deadline of its own, and what was asked for leaves nothing behind', async () => {
    const locks = scene.holder({ ttlMs: 4_000 });
    const store = scene.store();
    const one = ask('stopped', { ttlMs: 1_000 });
    await granted(store, ask('warm', { ttlMs: 1_000 }));
    scene.server.signal('SIGSTOP');
    const sinceMs = awakeMs();
    const calls = [
      store.acquire(one),
      store.release(heldOf(one)),
      store.abandon(one),
      store.revoke(one.name, { kind: 'revoked', reason: '', node: one.node }),
      recordsOf(store, ''),
      store.probe(),
    ];
    for (const call of calls) expect(await thrownBy(call)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await store.renew([heldOf(one)])).toMatchObject([{ outcome: 'unknown' }]);
    expect(awakeMs() - sinceMs).toBeLessThan(6_000);
    const given = new AbortController();
    const asking = thrownBy(locks.request('stopped too', { signal: given.signal }, () => 0));
    given.abort();
    await asking;
    scene.server.signal('SIGCONT');
    // What lay in the server's queue is done now; only then it is taken back.
    await store.abandon(one);
    await until(async () => (await recordsOf(store, 'stopped')).length === 0, 'nothing is held');
  });

  it('throttled: the SDK tries again; then it is an error with advice, and nobody is robbed', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port });
    const one = ask('throttled');
    void front.next('UpdateItem', { refuse: 'ThrottlingException' }, 1);
    await granted(store, one);
    const once = scene.store({ port: front.port, maxAttempts: 1 });
    for (const [refuse, said] of [
      ['ThrottlingException', /throttles.*ask for a higher quota/],
      ['ProvisionedThroughputExceededException', /switch to on-demand/],
    ] as const) {
      void front.next('UpdateItem', { refuse }, 1);
      const error = await thrownBy(once.acquire(ask('throttled other')));
      expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: false, message: expect.stringMatching(said) });
      void front.next('UpdateItem', { refuse }, 1);
      expect(await once.renew([heldOf(one)])).toMatchObject([{ outcome: 'unknown' }]);
    }
    expect(await recordsOf(store, 'throttled')).toHaveLength(1);
    expect(await store.renew([heldOf(one)])).toMatchObject([{ outcome: 'renewed' }]);
    await store.release(heldOf(one));
  });

  it('through throttling and cut connections a crowd takes its turns, one at a time', async () => {
    const front = await scene.front();
    const holders = Array.from({ length: 3 }, () => scene.holder({ port: front.port, ttlMs: 6_000 }));
    const turns = holders.flatMap((locks) =>
      Array.from({ length: 4 }, () => locks.request('crowd', (lease) => scene.work(lease))),
    );
    for (const fault of ['lose-reply', 'fail-after', { refuse: 'ThrottlingException' }] as const) {
      void front.next('UpdateItem', fault, 2);
    }
    expect(await Promise.all(turns)).toEqual(turns.map(() => true));
    expect(await scene.sink.check()).toBe(12);
  });
});

describe('a thousand holds', () => {
  it('are renewed with at most fifty connections, each answered in its place', async () => {
    const server = await DynamoDBServer.start();
    try {
      await server.makeTable();
      const client = server.client();
      let [running, most] = [0, 0];
      const updateItem = client.updateItem.bind(client) as (input: object, options?: object) => Promise<object>;
      const counted = async (input: object, options?: object) => {
        running += 1;
        most = Math.max(most, running);
        return updateItem(input, options).finally(() => {
          running -= 1;
        });
      };
      Object.assign(client, { updateItem: counted });
      const store = dynamodb(client);
      // Also a slow server has granted the last before the first is over.
      const asks = Array.from({ length: 120 }, (_, i) => ask(`many ${i}`, { ttlMs: 60_000 }));
      for (const [i, one] of asks.entries()) if (i % 3 !== 0) await granted(store, one);
      most = 0;
      const answers = await store.renew(asks.map(heldOf));
      expect(answers.map(({ outcome }) => outcome)).toEqual(asks.map((_, i) => (i % 3 === 0 ? 'gone' : 'renewed')));
      expect(most).toBe(50);
      await store.close();
    } finally {
      await server.stop();
    }
  });
});

describe('more asks than connections', () => {
  const scene = new Scene();
  const long = { ttlMs: 60_000 };
  const options = { commandTimeoutMs: 30_000 };

  it('let a renewal go first', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port, dynamodb: options });
    const holder = ask('holder', long);
    await granted(store, holder);
    const held = gate();
    const full = front.next('UpdateItem', { hold: held.opened }, 50);
    let answered = 0;
    const asks = Array.from({ length: 400 }, async (_, i) => {
      await granted(store, ask(`many ${i}`, long));
      answered += 1;
    });
    await full;
    const renewal = store.renew([heldOf(holder)]);
    held.open();
    expect(await renewal).toMatchObject([{ outcome: 'renewed' }]);
    // Those that were under way, and those that were sent together with it.
    expect(answered).toBeLessThan(200);
    await Promise.all(asks);
  });

  it('that had no turn in time were never sent', async () => {
    const front = await scene.front();
    const store = scene.store({ port: front.port, dynamodb: options });
    const held = gate();
    const full = front.next('UpdateItem', { hold: held.opened }, 50);
    const asks = Array.from({ length: 50 }, (_, i) => granted(store, ask(`in front ${i}`, long)));
    await full;
    const late = ask('late', { ttlMs: 1_000 });
    expect(await thrownBy(store.acquire(late))).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/no time was left.*reachable/),
    });
    held.open();
    await Promise.all(asks);
    await granted(store, ask('after', long));
    expect(await recordsOf(store, 'late')).toEqual([]);
    expect(front.log.filter((operation) => operation === 'UpdateItem')).toHaveLength(51);
  });

  it('that get no answer make room for others at their deadline, whatever the client does', async () => {
    const client = scene.server.client();
    const updateItem = client.updateItem.bind(client) as (input: object, options?: object) => Promise<object>;
    let [hangs, hung] = [true, 0];
    const hanging = async (input: object, options?: object) => {
      if (!hangs) return updateItem(input, options);
      hung += 1;
      return new Promise<object>(() => {});
    };
    const store = scene.storeOn(Object.assign(client, { updateItem: hanging }), options);
    const asks = Array.from({ length: 50 }, (_, i) => thrownBy(store.acquire(ask(`hung ${i}`, { ttlMs: 1_000 }))));
    expect(hung).toBe(50);
    hangs = false;
    await granted(store, ask('next', long));
    for (const one of asks) expect(await one).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });
});
