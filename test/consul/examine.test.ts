import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consul } from '../../src/backends/consul/index.js';
import type { Backend } from '../../src/core/backend.js';
import { parseName } from '../../src/core/name.js';
import { ask, heldOf } from '../support/asks.js';
import { type SomeConsul, startSomeConsul } from '../support/consul-server.js';

describe('what stands in the way of a name', () => {
  let server: SomeConsul;
  let store: Backend;
  beforeAll(async () => {
    server = await startSomeConsul();
    store = consul({ addresses: [server.address] });
  });
  afterAll(async () => {
    await store.close();
    await server.stop();
  });

  const send = async (path: string, body: object) =>
    (await fetch(`${server.address}${path}`, { method: 'PUT', body: JSON.stringify(body) })).text();
  const session = async (more: object = {}) =>
    (JSON.parse(await send('/v1/session/create', { Name: 'cron', TTL: '60s', ...more })) as { ID: string }).ID;
  const txn = (...steps: readonly object[]) =>
    send(
      '/v1/txn',
      steps.map((KV) => ({ KV })),
    );
  const seen = (name: string) => store.examine?.(parseName(name));
  const Value = Buffer.from('mine').toString('base64');

  it('a lock of the command line beside our prefix, which ends with its session', async () => {
    const Session = await session();
    await txn({ Verb: 'lock', Key: 'nightly/.lock', Value, Session });
    expect(await seen('nightly')).toMatchObject({
      foreign: [{ key: 'nightly/.lock', library: 'consul lock', endsWith: expect.stringContaining(Session) }],
    });
    await txn({ Verb: 'unlock', Key: 'nightly/.lock', Value, Session });
    expect(await seen('nightly')).toMatchObject({ foreign: [] });
  });

  it('a key in the place of a hold that no session has: nothing ends it', async () => {
    await txn({ Verb: 'set', Key: 'holdfast/locks/odd/lock', Value });
    const [lock] = (await seen('odd'))?.foreign ?? [];
    expect(lock).toMatchObject({ key: 'holdfast/locks/odd/lock', remove: expect.stringContaining('-cas') });
    expect(lock).not.toHaveProperty('endsWith');
    await txn({ Verb: 'delete', Key: 'holdfast/locks/odd/lock' });
  });

  it('a lock-delay, after a session was ended that had the lock; asking for it writes nothing', async () => {
    const Session = await session({ LockDelay: '10s', Behavior: 'delete' });
    await txn({ Verb: 'lock', Key: 'holdfast/locks/late/lock', Value, Session });
    await send(`/v1/session/destroy/${Session}`, {});
    expect(await seen('late')).toMatchObject({ pauses: [{ because: 'lock-delay' }] });
    expect(await txn({ Verb: 'get-tree', Key: 'holdfast/locks/late' })).not.toContain('"ModifyIndex":');
  });

  it('the same name in other letters', async () => {
    const one = ask('JOB');
    expect(await store.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await seen('job')).toMatchObject({ rivals: [{ differs: 'case', name: 'JOB' }] });
    await store.release(heldOf(one));
    expect(await seen('job')).toMatchObject({ rivals: [] });
  });
});
