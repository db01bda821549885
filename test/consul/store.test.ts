import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consul } from '../../src/backends/consul/index.js';
import type { Backend } from '../../src/core/backend.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { type SomeConsul, startSomeConsul } from '../support/consul-server.js';

describe('the store', () => {
  let server: SomeConsul;
  let backend: Backend;
  beforeAll(async () => {
    server = await startSomeConsul();
    backend = consul({ addresses: [server.address] });
  });
  afterAll(async () => {
    await backend?.close();
    await server?.stop();
  });

  it('takes no name for an error', async () => {
    const name = 'Permission denied: "invalid session" due to lock delay, No cluster leader';
    const holder = ask(name);
    expect(await backend.acquire(holder)).toMatchObject({ outcome: 'granted' });
    expect(await backend.acquire(ask(name))).toMatchObject({ outcome: 'refused', because: 'held', holders: [{ name }] });
    expect(await backend.release(heldOf(holder))).toBe('released');
  });

  it('leaves nothing of a name behind: not of holders, readers, waiters, and those who gave up', async () => {
    const reader = ask('tidy', { mode: 'shared' });
    const other = ask('tidy', { mode: 'shared' });
    for (const one of [reader, other]) expect(await backend.acquire(one)).toMatchObject({ outcome: 'granted' });
    const writer = ask('tidy', { enqueue: true });
    const quitter = ask('tidy', { enqueue: true });
    for (const one of [writer, quitter]) expect(await backend.acquire(one)).toMatchObject({ outcome: 'refused' });
    await backend.abandon(quitter);
    for (const one of [reader, other]) expect(await backend.release(heldOf(one))).toBe('released');
    expect(await backend.acquire(writer)).toMatchObject({ outcome: 'granted' });
    expect(await backend.release(heldOf(writer))).toBe('released');
    expect(await server.keys('holdfast/locks/tidy/')).toEqual([]);
  });

  it('is tidied up by whoever looks, where all readers were ended by hand', async () => {
    const reader = ask('hollow', { mode: 'shared' });
    await backend.acquire(reader);
    const key = (await server.keys('holdfast/locks/hollow/read/'))[0] ?? '';
    const steps = [{ KV: { Verb: 'delete', Key: key } }];
    await fetch(`${server.address}/v1/txn`, { method: 'PUT', body: JSON.stringify(steps) });
    expect(await backend.renew([heldOf(reader)])).toEqual([{ outcome: 'gone' }]);
    expect(await recordsOf(backend, 'hollow')).toEqual([]);
    expect(await server.keys('holdfast/locks/hollow/')).toEqual([]);
  });

  it('counts what many readers and writers of one name did: nobody beside a writer', async () => {
    let readers = 0;
    let writers = 0;
    const turn = async (mode: 'shared' | 'exclusive') => {
      const one = ask('mixed', { mode, enqueue: true });
      while ((await backend.acquire(one)).outcome !== 'granted') await new Promise((resolve) => setTimeout(resolve, 10));
      if (mode === 'shared') readers += 1;
      else writers += 1;
      expect(writers === 0 || (writers === 1 && readers === 0)).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (mode === 'shared') readers -= 1;
      else writers -= 1;
      expect(await backend.release(heldOf(one))).toBe('released');
    };
    await Promise.all(Array.from({ length: 24 }, (_, i) => turn(i % 3 === 0 ? 'exclusive' : 'shared')));
    expect(await server.keys('holdfast/locks/mixed/')).toEqual([]);
  });
});
