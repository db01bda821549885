import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { consul, consulRecords } from '../../src/backends/consul/index.js';
import { idOf } from '../../src/backends/consul/keys.js';
import { Sightings } from '../../src/backends/consul/sightings.js';
import type { Backend } from '../../src/core/backend.js';
import { systemPorts } from '../../src/core/clock.js';
import { parseName } from '../../src/core/name.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { type SomeConsul, startSomeConsul } from '../support/consul-server.js';
import { until } from '../support/waits.js';

const thief = { kind: 'stolen', reason: 'test', node: systemPorts().identity() } as const;

interface Step {
  readonly Verb: string;
  readonly Key: string;
  readonly Index?: number;
  readonly Value?: string;
}

describe('what seldom happens', () => {
  let server: SomeConsul;
  const open: { close(): Promise<unknown> }[] = [];
  const another = (address = server.address): Backend => {
    const backend = consul({ addresses: [address] });
    open.push(backend);
    return backend;
  };
  const txn = async (...steps: readonly Step[]) => {
    const body = JSON.stringify(steps.map((KV) => ({ KV })));
    const reply = await fetch(`${server.address}/v1/txn`, { method: 'PUT', body });
    const { Results } = JSON.parse(await reply.text()) as {
      readonly Results:
        | { readonly KV: { readonly ModifyIndex: number; readonly Session?: string; readonly Value: string } }[]
        | null;
    };
    return { status: reply.status, kvs: (Results ?? []).map(({ KV }) => KV) };
  };
  const at = async (Key: string) => (await txn({ Verb: 'get-or-empty', Key })).kvs[0];
  const endSession = (id: string | undefined) => fetch(`${server.address}/v1/session/destroy/${id}`, { method: 'PUT' });
  const sessionsNamed = async (name: string) => (await server.sessions()).filter(({ Name }) => Name === name);

  beforeAll(async () => {
    server = await startSomeConsul();
  });
  afterEach(async () => {
    // A proxy after those who go through it.
    for (const one of open.splice(0).reverse()) await one.close();
  });
  afterAll(() => server?.stop());

  it('a reader that comes back as the same owner changes what writers compare', async () => {
    const backend = another();
    const reader = ask('door', { mode: 'shared' });
    await backend.acquire(reader);
    // Twice: what it wrote first differs in how often it was locked.
    for (let i = 0; i < 2; i++) {
      const seen = await at('holdfast/locks/door/lock');
      const [key = ''] = await server.keys('holdfast/locks/door/read/');
      await txn({ Verb: 'delete', Key: key });
      expect(await backend.acquire(reader)).toMatchObject({ outcome: 'granted' });
      // A writer who saw nobody behind this version would be granted beside it.
      expect(await at('holdfast/locks/door/lock')).not.toMatchObject({ ModifyIndex: seen?.ModifyIndex });
    }
    await backend.release(heldOf(reader));
  });

  it('a waiter that comes back as the same owner changes what the last in line compares', async () => {
    const [backend, other] = [another(), another()];
    const holder = ask('line');
    await backend.acquire(holder);
    const waiter = ask('line', { enqueue: true });
    await other.acquire(waiter);
    const seen = await at('holdfast/locks/line/line');
    const [key = ''] = await server.keys('holdfast/locks/line/wait/');
    await txn({ Verb: 'delete', Key: key });
    expect(await other.acquire(waiter)).toMatchObject({ outcome: 'refused' });
    expect(await at('holdfast/locks/line/line')).not.toMatchObject({ ModifyIndex: seen?.ModifyIndex });
    await other.abandon(waiter);
    await backend.release(heldOf(holder));
  });

  it('who waits keeps its place while the lock-delay keeps everybody out', async () => {
    const holder = ask('delayed', { ttlMs: 5_000 });
    const looker = another();
    await another().acquire(holder);
    const waiters = [1, 2, 3].map(() => ({ backend: another(), ask: ask('delayed', { ttlMs: 5_000, enqueue: true }) }));
    for (const { backend, ask: one } of waiters) await backend.acquire(one);
    const order = (await recordsOf(looker, 'delayed')).slice(1).map(({ ownerDigest }) => ownerDigest);
    await endSession((await at('holdfast/locks/delayed/lock'))?.Session);
    const granted: number[] = [];
    const seen = new Set<string>();
    await until(
      async () => {
        for (const [i, { backend, ask: one }] of waiters.entries()) {
          if (granted.includes(i)) continue;
          if ((await backend.acquire(one)).outcome === 'granted') {
            granted.push(i);
            await backend.release(heldOf(one));
          }
        }
        const queue = (await recordsOf(looker, 'delayed')).filter(({ state }) => state === 'waiting');
        seen.add(queue.map(({ ownerDigest }) => order.indexOf(ownerDigest)).join(''));
        return granted.length === 3;
      },
      'the delay is over',
      15_000,
    );
    expect(granted).toEqual([0, 1, 2]);
    expect([...seen].filter((queue) => !'012'.endsWith(queue))).toEqual([]);
  }, 30_000);

  it('a thief meets the lock-delay: told what keeps it out', async () => {
    const holder = ask('robbed');
    const backend = another();
    await backend.acquire(holder);
    await endSession((await at('holdfast/locks/robbed/lock'))?.Session);
    const failure = another().revoke(parseName('robbed'), { ...thief, heir: ask('robbed') });
    await expect(failure).rejects.toMatchObject({ message: expect.stringMatching(/lock-delay/), code: 'BACKEND_UNAVAILABLE' });
  });

  it('of readers too many for one transaction none is ended when the one that was meant has left', async () => {
    const backend = another();
    const readers = Array.from({ length: 15 }, () => ask('crowd', { mode: 'shared' }));
    const grants = [];
    for (const reader of readers) grants.push(await backend.acquire(reader));
    const [meant, grant] = [readers.at(-1), grants.at(-1)];
    if (meant === undefined || grant?.outcome !== 'granted') return expect.unreachable('readers share');
    const proxy = await FaultProxy.start(Number(new URL(server.address).port));
    open.push(proxy);
    const late = proxy.hold('check-index');
    const by = { kind: 'revoked', reason: 'test', node: meant.node, ifFence: grant.fences.last } as const;
    const revocation = another(`http://127.0.0.1:${proxy.port}`).revoke(meant.name, by);
    const held = await late;
    expect(await backend.release(heldOf(meant))).toBe('released');
    await held.deliver();
    expect(await revocation).toEqual({ ended: [] });
    for (const reader of readers.slice(0, -1)) expect(await backend.release(heldOf(reader))).toBe('released');
  });

  it('a session of marks that is gone takes no leases with it', async () => {
    const backend = another();
    const lease = ask('kept', { ttlMs: 86_000_000 });
    await backend.acquire(lease);
    const steal = () => backend.revoke(parseName('robbed-twice'), { ...thief, heir: ask('robbed-twice', { ttlMs: 86_000_000 }) });
    await steal();
    for (const { ID } of await sessionsNamed('holdfast mark')) await endSession(ID);
    const held = (await sessionsNamed('holdfast hold')).length;
    expect((await steal()).grant).toBeDefined();
    // Another one would mean that nobody renews the first any more.
    expect(await sessionsNamed('holdfast hold')).toHaveLength(held);
    await backend.release(heldOf(lease));
  });

  it.each(['.', '..', '', 'a/../b', 'a//b', '%2e%2e', 'ä\u0000\ud800', '?x=1#y'])('name %j: a waiter is woken', async (name) => {
    const [backend, other] = [another(), another()];
    const holder = ask(name);
    expect(await backend.acquire(holder)).toMatchObject({ outcome: 'granted' });
    const waiter = ask(name, { enqueue: true });
    let woken = false;
    const stop = other.watch(waiter.name, () => {
      woken = true;
    });
    expect(await other.acquire(waiter)).toMatchObject({ outcome: 'refused', holders: [{ name }] });
    await backend.release(heldOf(holder));
    await until(() => woken, 'woken', 3_000);
    stop();
    await other.abandon(waiter);
  });

  it('a lost hold whose ask may have a copy under way: its release leaves a mark', async () => {
    const proxy = await FaultProxy.start(server.port);
    open.push(proxy);
    const backend = another(`http://127.0.0.1:${proxy.port}`);
    const warmUp = ask('warm-up');
    await backend.acquire(warmUp);
    await backend.release(heldOf(warmUp));
    const lost = proxy.once('locks/copied/lock', 'lose-reply');
    const one = ask('copied');
    expect(await backend.acquire(one)).toMatchObject({ outcome: 'granted' });
    await lost;
    await txn({ Verb: 'delete', Key: 'holdfast/locks/copied/lock' });
    expect(await backend.release(heldOf(one))).toBe('absent');
    expect(await server.keys(`holdfast/over/${idOf(one.owner)}`)).toHaveLength(1);
    expect(await backend.acquire(one)).toMatchObject({ outcome: 'refused', because: 'abandoned' });
  });

  it('a grant on data that went back, whose reply was lost: its fence is above the last one all the same', async () => {
    const proxy = await FaultProxy.start(server.port);
    open.push(proxy);
    const backend = another(`http://127.0.0.1:${proxy.port}`);
    const put = (Key: string, Value: string) => ({ Verb: 'set', Key, Value });
    const turn = async () => {
      const one = ask('restored');
      const grant = await backend.acquire(one);
      await backend.release(heldOf(one));
      return grant.outcome === 'granted' ? grant.fences.last : 0n;
    };
    let last = 0n;
    for (let i = 0; i < 60; i++) last = await turn();
    const epoch = (await at('holdfast/epoch'))?.Value ?? '';
    await server.forget();
    const { epoch: number } = JSON.parse(atob(epoch)) as { readonly epoch: number };
    const restored = [put('holdfast/epoch', epoch), put(`holdfast/epoch/${number}`, '')];
    await until(
      () =>
        txn(...restored).then(
          () => true,
          () => false,
        ),
      'it takes writes',
    );
    // A session is made anew where nothing is granted, so that the grant is what has no answer.
    const [other, holder] = [another(), ask('busy')];
    await other.acquire(holder);
    expect(await backend.acquire(ask('busy'))).toMatchObject({ outcome: 'refused' });
    const lost = proxy.once('locks/restored/lock', 'lose-reply');
    const fence = await turn();
    await lost;
    await other.release(heldOf(holder));
    expect(fence).toBeGreaterThan(last);
  });
});

describe('fences', () => {
  it('rise over a loss of data also where the epoch was ahead of the clock, for those who knew it', async () => {
    const server = await startSomeConsul();
    const backend = consul({ addresses: [server.address] });
    try {
      const epoch = (Date.now() + 3_600_000) * 1_000;
      const put = (Key: string, text: string) => ({ KV: { Verb: 'set', Key, Value: btoa(text) } });
      const steps = [put('holdfast/epoch', JSON.stringify({ holdfast: 1, epoch })), put(`holdfast/epoch/${epoch}`, '')];
      await fetch(`${server.address}/v1/txn`, { method: 'PUT', body: JSON.stringify(steps) });
      const fenceOf = async () => {
        const one = ask('job');
        const grant = await backend.acquire(one);
        await backend.release(heldOf(one));
        return grant.outcome === 'granted' ? grant.fences.last : 0n;
      };
      const before = await fenceOf();
      await server.forget();
      expect(await fenceOf()).toBeGreaterThan(before);
    } finally {
      await backend.close();
      await server.stop();
    }
  });
});

describe('what was seen of a store that lost its data', () => {
  it('says nothing of another hold that has the same index by chance', () => {
    let monotonicMs = 0;
    const sightings = new Sightings(() => ({ ...systemPorts().now(), monotonicMs }));
    const kv = { key: 'k', value: 'one', createIndex: 7, modifyIndex: 7, session: '' };
    sightings.leftMs(kv, 1_000);
    monotonicMs = 2_000;
    expect(sightings.leftMs({ ...kv, value: 'another' }, 1_000)).toBe(1_000);
    monotonicMs = 3_000;
    expect(sightings.leftMs({ ...kv, value: 'another' }, 1_000)).toBe(0);
  });
});

describe('an address where no Consul answers', () => {
  it.each([
    [404, 'text/plain', '404 page not found'],
    [200, 'text/html', '<html>welcome</html>'],
    [200, 'application/json', 'null'],
    [302, 'text/plain', ''],
  ])('%i %s %s: an error of ours that says so', async (status, type, body) => {
    const stranger = http.createServer((_, response) => {
      response.writeHead(status, { 'content-type': type });
      response.end(body);
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const addresses = [`http://127.0.0.1:${(stranger.address() as AddressInfo).port}`];
    const backend = consul({ addresses, commandTimeoutMs: 500 });
    const records = consulRecords({ addresses, commandTimeoutMs: 500 });
    const ours = { code: expect.stringMatching(/BACKEND_UNAVAILABLE|OUTCOME_UNKNOWN/) };
    await expect(backend.acquire(ask('job'))).rejects.toMatchObject(ours);
    await expect(recordsOf(backend, '')).rejects.toMatchObject(ours);
    await expect(backend.probe()).rejects.toMatchObject(ours);
    await expect(records.get('job')).rejects.toMatchObject(ours);
    await expect(records.create('job', 'x', 1_000)).rejects.toMatchObject(ours);
    await Promise.all([backend.close(), records.close()]);
    stranger.closeAllConnections();
    await new Promise((resolve) => stranger.close(resolve));
  });
});
