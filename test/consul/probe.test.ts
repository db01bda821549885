import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consul } from '../../src/backends/consul/index.js';
import { aboutAgent, aboutPeers } from '../../src/backends/consul/probe.js';
import { ask, heldOf } from '../support/asks.js';
import { ConsulServer, consulIsMissing } from '../support/consul-server.js';

const root = '00000000-0000-0000-0000-00000000000a';

describe.skipIf(consulIsMissing)('a server that asks for tokens', () => {
  let server: ConsulServer;
  const call = async (path: string, body: object) => {
    const headers = { 'x-consul-token': root };
    const reply = await fetch(server.address + path, { method: 'PUT', headers, body: JSON.stringify(body) });
    return JSON.parse(await reply.text()) as { SecretID: string };
  };
  const tokenFor = async (name: string, Rules: string) => {
    await call('/v1/acl/policy', { Name: name, Rules });
    return (await call('/v1/acl/token', { Policies: [{ Name: name }] })).SecretID;
  };
  const found = async (token: string, ...more: readonly string[]) => {
    const backend = consul({ addresses: [server.address, ...more], token });
    try {
      return (await backend.probe()).map(({ severity, what }) => `${severity}: ${what}`);
    } finally {
      await backend.close();
    }
  };
  beforeAll(async () => {
    const acl = { enabled: true, default_policy: 'deny', tokens: { initial_management: root, default: root, agent: root } };
    server = await ConsulServer.start({ more: { acl } });
    // Nobody is let in without a token from here on.
    await fetch(`${server.address}/v1/agent/token/default`, {
      method: 'PUT',
      headers: { 'x-consul-token': root },
      body: '{"Token":""}',
    });
  });
  afterAll(() => server?.stop());

  it('the rights of the page are enough, and what the token may not ask is said', async () => {
    const token = await tokenFor('page', 'key_prefix "holdfast/" { policy = "write" } session_prefix "" { policy = "write" }');
    const backend = consul({ addresses: [server.address], token });
    const one = ask('job');
    expect(await backend.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await backend.renew([heldOf(one)])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await backend.release(heldOf(one))).toBe('released');
    await backend.close();
    const whats = await found(token, 'http://127.0.0.1:9');
    expect(whats).toEqual(
      expect.arrayContaining([
        'warning: the cluster has one server',
        expect.stringMatching(/^warning: http:\/\/127\.0\.0\.1:9 cannot be asked/),
        'info: the token may not be used for asking the agent about itself',
      ]),
    );
    expect(whats.join()).not.toMatch(/critical/);
  });

  it('a token that may read only: nothing can be granted, which is said at once and with the way out', async () => {
    const token = await tokenFor('reader', 'key_prefix "holdfast/" { policy = "read" } session_prefix "" { policy = "write" }');
    expect(await found(token)).toEqual(expect.arrayContaining([expect.stringMatching(/^critical: .*Permission denied/)]));
    const backend = consul({ addresses: [server.address], token });
    await expect(backend.acquire(ask('job'))).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      permanent: true,
      message: expect.stringMatching(/key_prefix/),
    });
    await backend.close();
  });

  it('no token, and one that nobody knows: told at once', async () => {
    for (const token of [undefined, '11111111-1111-1111-1111-111111111111']) {
      const backend = consul({ addresses: [server.address], ...(token === undefined ? {} : { token }) });
      const failure = backend.acquire(ask('job'));
      await expect(failure).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true });
      await expect(failure).rejects.toMatchObject({ message: expect.not.stringContaining('11111111-1111') });
      await backend.close();
    }
  });

  it('a lock without a session, and an epoch from the future', async () => {
    const put = (key: string, value: string) =>
      fetch(`${server.address}/v1/kv/${key}`, { method: 'PUT', headers: { 'x-consul-token': root }, body: value });
    await put('holdfast/locks/by-hand/lock', 'x');
    await put('holdfast/epoch', JSON.stringify({ holdfast: 1, epoch: (Date.now() + 3_600_000) * 1_000 }));
    expect(await found(root)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^warning: 1 locks have no session.*by-hand/),
        expect.stringMatching(/^warning: the epoch of the fences is 3\d{3} s ahead/),
      ]),
    );
  });
});

describe('what the probe makes of what agents say', () => {
  it('versions and sessions', () => {
    expect(aboutAgent({ version: '1.12.9' })).toMatchObject([{ severity: 'critical' }]);
    expect(aboutAgent({ version: '1.13.0', sessionTtlMin: 1e10 })).toEqual([]);
    expect(aboutAgent({ version: '1.22.0+ent', sessionTtlMin: 6e10 })).toMatchObject([{ severity: 'info' }]);
  });
  it('servers', () => {
    expect([1, 2, 3, 4, 5].map((count) => aboutPeers(Array.from({ length: count }, String)).length)).toEqual([1, 1, 0, 1, 0]);
  });
  it('rejects where nobody answers', async () => {
    const backend = consul({ addresses: ['http://127.0.0.1:9'], commandTimeoutMs: 300 });
    await expect(backend.probe()).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await backend.close();
  });
});
