import { describe, expect, it } from 'vitest';
import { type ConsulOptions, consul, consulFromUrl } from '../../src/backends/consul/index.js';
import { parseUrl } from '../../src/backends/consul/url.js';

const at = (scheme: string, host: string) => `${scheme}://${host}`;

const good: readonly (readonly [string, object])[] = [
  ['consul://localhost', { addresses: ['http://localhost:8500'] }],
  ['consul://a:1,b,[::1]:3/', { addresses: [at('http', 'a:1'), at('http', 'b:8500'), at('http', '[::1]:3')] }],
  [
    'consul://a?token=s%40c&dc=dc2&prefix=app%2F',
    { addresses: [at('http', 'a:8500')], token: 's@c', datacenter: 'dc2', prefix: 'app/' },
  ],
  ['CONSUL+TLS://a?servername=consul.internal', { addresses: [at('https', 'a:8501')], tls: { servername: 'consul.internal' } }],
];

const bad: readonly (readonly [string, RegExp])[] = [
  ['consul:a', /write it like/],
  ['http://localhost:8500', /write it like/],
  ['consul://me:secret@a', /write it like/],
  ['consul://a:0', /"name:port"/],
  ['consul://a:99999', /"name:port"/],
  ['consul://a?tokn=x', /unknown parameter "tokn"/],
  ['consul://a?cacert=ca.pem', /consul\+tls/],
];

describe('a URL of Consul', () => {
  it.each(good)('%s', (url, options) => expect(parseUrl(url).options).toEqual(options));
  it.each(bad)('%s is refused', (url, message) => {
    expect(() => parseUrl(url)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
  it('whose token is repeated in no message', () => {
    for (const url of ['consul://a?token=hunter2&x=1', 'consul://hunter2@a', 'consul://a:b:c?token=hunter2']) {
      expect(() => parseUrl(url)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('hunter2') }));
    }
  });
  it('with a file that is not there says which', async () => {
    for (const name of ['cacert', 'tokenfile']) {
      await expect(consulFromUrl(`consul+tls://a?${name}=no-such-file`)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(new RegExp(`${name} cannot be read.*no-such-file`)),
      });
    }
  });
});

describe('options', () => {
  const addresses = [at('http', 'a:8500')];
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing', undefined, /list of 1 to/],
    ['no addresses', { addresses: [] }, /list of 1 to/],
    ['a text for a list', { addresses: at('http', 'a:8500') }, /list of 1 to/],
    ['no scheme', { addresses: ['a:8500'] }, /an address is/],
    ['a path', { addresses: [at('http', 'a:8500/v1')] }, /an address is/],
    ['a user', { addresses: [at('http', 'me:hunter2@a:8500')] }, /option of its own/],
    ['a token with a line break', { addresses, token: 'a\nb' }, /token must be/],
    ['an empty prefix', { addresses, prefix: '' }, /key prefix/],
    ['a prefix with a slash in front', { addresses, prefix: '/a' }, /slash in front/],
    ['too short a time', { addresses, commandTimeoutMs: 1 }, /commandTimeoutMs/],
  ];
  it.each(wrong)('%s: refused', (_, options, message) => {
    expect(() => consul(options as ConsulOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});
