import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../src/backends/redis/options.js';
import { parseUrl } from '../../src/backends/redis/url.js';
import { limits } from '../../src/core/limits.js';

describe('a Redis URL', () => {
  it('names one server', () => {
    const single = { kind: 'single', tls: false, database: 0, options: {} };
    expect(parseUrl('redis://')).toEqual({ ...single, addresses: [{ host: 'localhost', port: 6379 }] });
    expect(parseUrl('redis://10.0.0.1:7000/3')).toEqual({
      ...single,
      addresses: [{ host: '10.0.0.1', port: 7000 }],
      database: 3,
    });
    expect(parseUrl('rediss://[::1]:7000')).toEqual({ ...single, tls: true, addresses: [{ host: '::1', port: 7000 }] });
    expect(parseUrl('redis://h?prefix=app%3A').options).toEqual({ prefix: 'app:' });
  });

  it('may carry a user and a password', () => {
    expect(parseUrl('redis://me:s%40c:ret@h')).toMatchObject({ username: 'me', password: 's@c:ret' });
    expect(parseUrl('redis://:secret@h')).not.toHaveProperty('username');
    expect(parseUrl('redis://me@h')).not.toHaveProperty('password');
  });

  it('names sentinels and their master', () => {
    expect(parseUrl('redis+sentinel://a,b:26380/main/2')).toMatchObject({
      kind: 'sentinel',
      master: 'main',
      database: 2,
      addresses: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 26380 },
      ],
    });
  });

  it('names nodes of a Cluster', () => {
    expect(parseUrl('redis+cluster://a:1,b:2')).toMatchObject({ kind: 'cluster', addresses: [{ port: 1 }, { port: 2 }] });
  });

  it.each([
    'redis:host',
    'http://localhost',
    'redis://a,b',
    'redis://h:0',
    'redis://h:70000',
    'redis://h/x',
    'redis://h/0/1',
    'redis://h?ttl=5',
    'redis://h/%zz',
    'redis+sentinel://h',
    'redis+cluster://h/1',
  ])('is refused if it is %s', (url) => {
    expect(() => parseUrl(url)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('is never repeated in a message: it may hold a password', () => {
    for (const url of ['redis://u:secret@h/x', 'redis://u:secret@h:99999', 'redi://u:secret@h', 'redis://u:secret@@h']) {
      expect(() => parseUrl(url)).toThrow(expect.not.objectContaining({ message: expect.stringContaining('secret') }));
    }
  });
});

describe('options', () => {
  it('have defaults', () => {
    const fenceRetentionMs = 2 * limits.ttlMsMax;
    expect(parseOptions()).toEqual({ prefix: 'holdfast:', commandTimeoutMs: 2_000, fenceRetentionMs, replicas: 0 });
  });

  it.each([
    { fenceRetentionMs: limits.ttlMsMax },
    { fenceRetentionMs: Number.POSITIVE_INFINITY },
    { commandTimeoutMs: 0 },
    { commandTimeoutMs: 1.5 },
    { prefix: 'a{b}' },
    { replicas: -1 },
    { replicas: 1.5 },
    { replicas: 65 },
  ])('%j is refused', (options) => {
    expect(() => parseOptions(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
