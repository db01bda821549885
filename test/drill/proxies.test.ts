import { describe, expect, it } from 'vitest';
import { schemes } from '../../src/cli/backends.js';
import { behindProxies, Proxies } from '../../src/drill/proxies.js';

describe('a proxy before each host of a URL', () => {
  it.each([
    ['redis://user:p%40ss@db.example.com/3?prefix=a:', 'redis://user:p%40ss@H/3?prefix=a:'],
    ['redlock://a,b:6380,[::1]:6381/0?newNodes=trust', 'redlock://H,H,H/0?newNodes=trust'],
    ['postgres://app@db:5433/app?schema=x', 'postgres://app@H/app?schema=x'],
    ['etcd://a:2379,b:2379', 'etcd://H,H'],
  ])('%s keeps all but its hosts', async (url, expected) => {
    const proxies = await Proxies.before(url, 6_379);
    expect(proxies.url.replace(/127\.0\.0\.1:\d+/g, 'H')).toBe(expected);
    await proxies.close();
  });

  it('a URL without hosts, or with what is none, is said', () => {
    for (const url of ['postgres:///app', 'redis://a:b:c', 'sqlite:/locks.db']) {
      expect(behindProxies({ url, portDefault: 1 })).toContain('cannot be replaced');
    }
    expect(behindProxies(undefined)).toContain('plain TCP');
  });

  it('the examples of all stores that may be cut off can be', () => {
    const cuttable = Object.values(schemes).filter(({ port }) => port !== undefined);
    expect(cuttable.length).toBeGreaterThan(5);
    for (const { example, port } of cuttable) expect(behindProxies({ url: example, portDefault: port ?? 0 })).toBeUndefined();
  });
});
