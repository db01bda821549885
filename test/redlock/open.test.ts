import { afterEach, describe, expect, it } from 'vitest';
import { redlock, redlockFromUrl } from '../../src/backends/redlock/index.js';
import { nodeTimeoutMs, parseOptions } from '../../src/backends/redlock/options.js';
import { parseNodesUrl } from '../../src/backends/redlock/url.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { clients } from '../support/redis-clients.js';
import { redisIsMissing } from '../support/redis-server.js';
import { Scene } from './support.js';

/** As ioredis makes them; nothing is sent through it. */
const fake = () => ({
  isCluster: false,
  status: 'wait',
  options: {},
  call: async () => null,
  duplicate: () => fake(),
  on: () => {},
  off: () => {},
  disconnect: () => {},
});

describe('what redlock() is given', () => {
  it.each([
    [0, 'fewer'],
    [1, 'fewer'],
    [2, 'fewer'],
    [4, 'leave one out'],
    [6, 'leave one out'],
  ])('is no %i nodes', (count, why) => {
    const nodes = Array.from({ length: count }, fake) as never;
    expect(() => redlock(nodes)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(why) }),
    );
  });

  it('is not the same client twice', () => {
    const one = fake();
    expect(() => redlock([one, fake(), one] as never)).toThrow(/nodes 1 and 3 are the same client/);
  });

  it('is no Cluster', () => {
    const cluster = { ...fake(), isCluster: true, slots: [], nodes: () => [] };
    expect(() => redlock([fake(), fake(), cluster] as never)).toThrow(expect.objectContaining({ code: 'NOT_SUPPORTED' }));
  });

  it.each([
    { nodeTimeoutMs: 0 },
    { nodeTimeoutMs: 1.5 },
    { maxTtlMs: 10 },
    { maxTtlMs: 86_400_001 },
    { newNodes: 'yes' },
    { prefix: '{a}' },
    { fenceRetentionMs: 1 },
  ])('is not %o', (options) => {
    expect(() => redlock([fake(), fake(), fake()] as never, options as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  it('bounds the TTL by the grace', async () => {
    const store = redlock([fake(), fake(), fake()] as never, { maxTtlMs: 5_000 });
    expect(store.traits.ttlMs.max).toBe(5_000);
    await store.close();
  });

  it('gives a node a fifth of the TTL at most', () => {
    expect(nodeTimeoutMs(parseOptions(), 10_000)).toBe(250);
    expect(nodeTimeoutMs(parseOptions(), 1_000)).toBe(200);
    expect(nodeTimeoutMs(parseOptions({ nodeTimeoutMs: 5_000 }), 10_000)).toBe(2_000);
  });
});

describe('a URL', () => {
  it('names all nodes', () => {
    const { urls, names, options } = parseNodesUrl('redlock://u:p%40@a:1,b,[::1]:3/2?newNodes=trust&maxTtlMs=5000&prefix=x:');
    expect(urls).toEqual(['redis://u:p%40@a:1/2', 'redis://u:p%40@b/2', 'redis://u:p%40@[::1]:3/2']);
    expect(names).toEqual(['a:1', 'b:6379', '[::1]:3']);
    expect(options).toEqual({ newNodes: 'trust', maxTtlMs: 5_000, prefix: 'x:' });
    expect(parseNodesUrl('redlock+tls://a,b,c').urls[0]).toBe('rediss://a');
  });

  it.each([
    ['redlock://a,b', /odd number of nodes, not 2/],
    ['redlock://a,b,c,d', /odd number of nodes, not 4/],
    ['redlock://u:secret@a,b,a', /^a:6379 is named twice/],
    ['redlock://u:secret@a:x,b,c', /a host is/],
    ['redlock://u:secret@a,b,c?speed=1', /unknown parameter "speed"/],
    ['redlock://u:secret@a,b,c?maxTtlMs=long', /maxTtlMs must be/],
    ['redlock://u:secret@a,b,c/x', /the database is a number/],
    ['redis://a', /no Redlock URL/],
  ])('%s is refused, and nothing secret is repeated', async (url, message) => {
    const error = (await redlockFromUrl(url).catch((reason: unknown) => reason)) as Error;
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('secret');
  });
});

describe.skipIf(redisIsMissing)('opened', () => {
  const scene = new Scene(3);
  const open: Holdfast[] = [];
  afterEach(() => Promise.all(open.splice(0).map((locks) => locks.close())));

  it.each(['ioredis', 'redis'] as const)('from a URL with %s', async (library) => {
    const hosts = scene.nodes.ports.map((port) => `127.0.0.1:${port}`).join(',');
    const locks = new Holdfast(await redlockFromUrl(`redlock://${hosts}?newNodes=trust`, library));
    open.push(locks);
    expect(await locks.request('a', (lease) => lease.fence)).toBeGreaterThan(0n);
  });

  it.each(Object.keys(clients))('with the application’s clients: %s', async (library) => {
    const locks = await scene.holder({ store: { library } });
    const waiting = await locks.acquire('a');
    const other = await scene.holder({ store: { library } });
    const next = other.acquire('a');
    await waiting.release();
    await (await next).release();
  });
});
