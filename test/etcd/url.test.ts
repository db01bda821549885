import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type EtcdOptions, etcd, etcdFromUrl } from '../../src/backends/etcd/index.js';
import { parseUrl } from '../../src/backends/etcd/url.js';

const good: readonly (readonly [string, object])[] = [
  ['etcd://localhost', { tls: false, endpoints: ['localhost:2379'], files: {} }],
  ['etcd://a:1,b,[::1]:3/', { tls: false, endpoints: ['a:1', 'b:2379', '[::1]:3'], files: {} }],
  ['etcd://me:p%40s%3As@a', { tls: false, endpoints: ['a:2379'], user: { name: 'me', password: 'p@s:s' }, files: {} }],
  ['etcd://a?prefix=app%2Flocks%2F', { tls: false, endpoints: ['a:2379'], prefix: 'app/locks/', files: {} }],
  [
    'ETCD+TLS://a?cacert=ca.pem&cert=c.pem&key=k.pem',
    { tls: true, endpoints: ['a:2379'], files: { cacert: 'ca.pem', cert: 'c.pem', key: 'k.pem' } },
  ],
];

const bad: readonly (readonly [string, RegExp])[] = [
  ['etcd:a', /write it like/],
  ['http://localhost:2379', /write it like/],
  ['etcd://a:0', /"name:port"/],
  ['etcd://a:99999', /"name:port"/],
  ['etcd://secret@a', /a name and a password/],
  ['etcd://a?prefx=x', /unknown parameter "prefx"/],
  ['etcd://a?cacert=ca.pem', /etcd\+tls/],
  ['etcd://me:%zz@a', /%25/],
];

describe('a URL of etcd', () => {
  it.each(good)('%s', (url, target) => expect(parseUrl(url)).toEqual(target));
  it.each(bad)('%s is refused', (url, message) => {
    expect(() => parseUrl(url)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
  it('whose password is repeated in no message', () => {
    for (const url of ['etcd://me:hunter2@a:b:c', 'etcd://me:hunter2%@a', 'etcd://me:hunter2@a?x=1']) {
      expect(() => parseUrl(url)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('hunter2') }));
    }
  });
  it('with a file that is not there says which', async () => {
    await expect(etcdFromUrl('etcd+tls://a?cacert=no-such-file.pem')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/cacert cannot be read.*no-such-file/),
    });
  });
});

describe('options', () => {
  const endpoints = ['a:2379'];
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing', undefined, /needs the gRPC module/],
    ['no module', { endpoints }, /needs the gRPC module/],
    ['no endpoints', { grpc, endpoints: [] }, /list of 1 to/],
    ['a text for a list', { grpc, endpoints: 'a:2379' }, /list of 1 to/],
    ['no port', { grpc, endpoints: ['a'] }, /"host:port"/],
    ['mixed', { grpc, endpoints: ['https://localhost:1', 'b:2'] }, /the same way/],
    ['no password', { grpc, endpoints, user: { name: 'x' } }, /name, password/],
    ['an empty prefix', { grpc, endpoints, prefix: '' }, /key prefix/],
    ['a prefix with a NUL', { grpc, endpoints, prefix: 'a\0' }, /key prefix/],
    ['too short a time', { grpc, endpoints, commandTimeoutMs: 1 }, /commandTimeoutMs/],
  ];
  it.each(wrong)('%s: refused', (_, options, message) => {
    expect(() => etcd(options as EtcdOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
  it('take addresses as etcdctl does', async () => {
    for (const address of ['http://127.0.0.1:2379', '127.0.0.1:2379/', '[::1]:2379'])
      await etcd({ grpc, endpoints: [address] }).close();
    await etcd({ grpc, endpoints: ['https://127.0.0.1:2379'] }).close();
  });
});
