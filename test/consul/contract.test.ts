import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConsulFake } from '../support/consul-fake.js';
import { ConsulServer, consulIsMissing } from '../support/consul-server.js';

interface Server {
  readonly address: string;
  stop(): Promise<unknown>;
}

interface Entry {
  readonly Key: string;
  readonly Value: string | null;
  readonly Session?: string;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

/** What this store takes for granted of Consul, of the real one and of what stands for it. */
function contract(start: () => Promise<Server>): void {
  let server: Server;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.stop());

  const call = async (method: string, path: string, body?: unknown) => {
    const reply = await fetch(server.address + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    return { status: reply.status, text: await reply.text() };
  };
  const txn = async (...steps: readonly object[]) => {
    const { status, text } = await call(
      'PUT',
      '/v1/txn',
      steps.map((KV) => ({ KV })),
    );
    const { Results, Errors } = JSON.parse(text) as {
      Results: { KV: Entry }[] | null;
      Errors: { OpIndex: number; What: string }[] | null;
    };
    return {
      status,
      kvs: (Results ?? []).map(({ KV }) => KV),
      failed: (Errors ?? []).map(({ OpIndex }) => OpIndex),
      whats: (Errors ?? []).map(({ What }) => What),
    };
  };
  const session = async (more: object = {}) => {
    const body = { TTL: '1000ms', LockDelay: '0ms', Behavior: 'delete', NodeChecks: [], Checks: [], ...more };
    return (JSON.parse((await call('PUT', '/v1/session/create', body)).text) as { ID: string }).ID;
  };
  const value = (text: string) => btoa(text);
  const indexOf = async (Key: string) => (await txn({ Verb: 'get-or-empty', Key })).kvs[0]?.ModifyIndex ?? 0;

  it('a transaction is done as a whole or not at all, and says which steps failed', async () => {
    const answer = await txn(
      { Verb: 'set', Key: 'whole/a', Value: value('1') },
      { Verb: 'get', Key: 'whole/missing' },
      { Verb: 'cas', Key: 'whole/b', Index: 7, Value: value('1') },
      { Verb: 'check-index', Key: 'whole/missing', Index: 1 },
    );
    expect([answer.status, answer.failed]).toEqual([409, [1, 2, 3]]);
    expect((await txn({ Verb: 'get-tree', Key: 'whole/' })).kvs).toEqual([]);
  });

  it('answers of steps: no values but of those that look, nothing of what is deleted or missing', async () => {
    await txn({ Verb: 'set', Key: 'steps/b', Value: value('b') }, { Verb: 'set', Key: 'steps/a', Value: value('a') });
    const { kvs } = await txn(
      { Verb: 'check-not-exists', Key: 'steps/c' },
      { Verb: 'set', Key: 'steps/c', Value: value('c') },
      { Verb: 'delete', Key: 'steps/missing' },
      { Verb: 'get-or-empty', Key: 'steps/missing' },
      { Verb: 'get-tree', Key: 'steps/' },
    );
    expect(kvs.map(({ Key, Value }) => [Key, Value === null ? null : atob(Value)])).toEqual([
      ['steps/c', null],
      ['steps/missing', null],
      ['steps/a', 'a'],
      ['steps/b', 'b'],
      ['steps/c', 'c'],
    ]);
    expect(kvs[1]?.ModifyIndex).toBe(0);
  });

  it('indexes: of the transaction, the same for all its keys; a key made again is a new one; what does not differ is not written', async () => {
    const { kvs } = await txn({ Verb: 'set', Key: 'i/a', Value: value('1') }, { Verb: 'set', Key: 'i/b', Value: value('1') });
    const [a, b] = kvs;
    expect(a?.ModifyIndex).toBe(b?.ModifyIndex);
    const same = (await txn({ Verb: 'cas', Key: 'i/a', Index: a?.ModifyIndex, Value: value('1') })).kvs[0];
    expect(same?.ModifyIndex).toBe(a?.ModifyIndex);
    const changed = (await txn({ Verb: 'cas', Key: 'i/a', Index: a?.ModifyIndex, Value: value('2') })).kvs[0];
    expect(changed?.CreateIndex).toBe(a?.CreateIndex);
    expect(changed?.ModifyIndex).toBeGreaterThan(a?.ModifyIndex ?? 0);
    const again = (await txn({ Verb: 'delete', Key: 'i/a' }, { Verb: 'set', Key: 'i/a', Value: value('2') })).kvs[0];
    expect(again?.CreateIndex).toBeGreaterThan(changed?.ModifyIndex ?? 0);
  });

  it('locks: by one session; kept over set and cas; unlocked by the same; taken over by delete and lock in one step', async () => {
    const [one, two] = [await session(), await session()];
    await txn({ Verb: 'lock', Key: 'l/a', Session: one, Value: value('1') });
    expect((await txn({ Verb: 'lock', Key: 'l/a', Session: two, Value: value('2') })).whats[0]).toMatch(/already held/);
    await txn({ Verb: 'set', Key: 'l/a', Value: value('3') });
    await txn({ Verb: 'cas', Key: 'l/a', Index: await indexOf('l/a'), Value: value('4') });
    expect((await txn({ Verb: 'get', Key: 'l/a' })).kvs[0]?.Session).toBe(one);
    expect((await txn({ Verb: 'unlock', Key: 'l/a', Session: two, Value: value('5') })).failed).toEqual([0]);
    const taken = await txn({ Verb: 'delete', Key: 'l/a' }, { Verb: 'lock', Key: 'l/a', Session: two, Value: value('6') });
    expect(taken.kvs[0]?.Session).toBe(two);
    const free = await txn(
      { Verb: 'lock', Key: 'l/b', Session: two, Value: value('7') },
      { Verb: 'unlock', Key: 'l/b', Session: two, Value: value('7') },
    );
    expect([free.status, (await txn({ Verb: 'get', Key: 'l/b' })).kvs[0]?.Session]).toEqual([200, undefined]);
    const none = await txn({ Verb: 'lock', Key: 'l/c', Session: '00000000-0000-0000-0000-000000000000', Value: value('8') });
    expect(none.whats[0]).toMatch(/invalid session/);
    for (const id of [one, two]) await call('PUT', `/v1/session/destroy/${id}`);
  });

  it('a session that is ended deletes what it has locked, and delays the next lock of it, and nothing else', async () => {
    const one = await session({ LockDelay: '1500ms' });
    await txn({ Verb: 'lock', Key: 'd/a', Session: one, Value: value('1') });
    await call('PUT', `/v1/session/destroy/${one}`);
    expect(await indexOf('d/a')).toBe(0);
    const two = await session();
    const delayed = await txn(
      { Verb: 'check-not-exists', Key: 'd/a' },
      { Verb: 'lock', Key: 'd/a', Session: two, Value: value('2') },
    );
    expect([delayed.status, delayed.failed]).toEqual([409, [1]]);
    expect(delayed.whats[0]).toMatch(/lock delay/);
    expect((await txn({ Verb: 'set', Key: 'd/a', Value: value('3') })).status).toBe(200);
    await sleep(1_700);
    expect((await txn({ Verb: 'lock', Key: 'd/a', Session: two, Value: value('4') })).status).toBe(200);
    await call('PUT', `/v1/session/destroy/${two}`);
  });

  it('a session lasts for its TTL after each renewal, ends after some more, and cannot be renewed then', async () => {
    const one = await session();
    await txn({ Verb: 'lock', Key: 't/a', Session: one, Value: value('1') });
    for (let i = 0; i < 3; i++) {
      await sleep(900);
      expect((await call('PUT', `/v1/session/renew/${one}`)).status).toBe(200);
    }
    await sleep(900);
    expect(await indexOf('t/a')).toBeGreaterThan(0);
    await sleep(2_500);
    expect(await indexOf('t/a')).toBe(0);
    expect((await call('PUT', `/v1/session/renew/${one}`)).status).toBe(404);
  });

  it('a session that is too short is refused with the shortest one', async () => {
    const { status, text } = await call('PUT', '/v1/session/create', { TTL: '10ms' });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).toMatch(/must be between \[1s=24h0m0s\]/);
  });

  it('a query waits until its key has changed, or is gone', async () => {
    await txn({ Verb: 'set', Key: 'q/a', Value: value('1') });
    const wait = (index: number) => call('GET', `/v1/kv/q/a?index=${index}&wait=10s`);
    const changed = wait(await indexOf('q/a'));
    await sleep(100);
    await txn({ Verb: 'set', Key: 'q/other', Value: value('1') });
    expect(await Promise.race([changed, sleep(200)])).toBeUndefined();
    await txn({ Verb: 'set', Key: 'q/a', Value: value('2') });
    const [entry] = JSON.parse((await changed).text) as Entry[];
    expect(atob(entry?.Value ?? '')).toBe('2');
    const gone = wait(entry?.ModifyIndex ?? 0);
    await sleep(100);
    await txn({ Verb: 'delete', Key: 'q/a' });
    expect((await gone).status).toBe(404);
    // It was gone before anybody asked.
    expect((await wait(entry?.ModifyIndex ?? 0)).status).toBe(404);
  });
}

describe('what stands for Consul', () => contract(() => ConsulFake.start(1_000)));
describe.skipIf(consulIsMissing)('Consul', () => contract(() => ConsulServer.start({ more: { session_ttl_min: '1s' } })));
