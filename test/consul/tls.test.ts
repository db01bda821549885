import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsulOptions, consul, consulFromUrl } from '../../src/backends/consul/index.js';
import type { Backend } from '../../src/core/backend.js';
import { ask, heldOf } from '../support/asks.js';
import { Certificate, opensslIsMissing } from '../support/certificate.js';
import { ConsulServer, consulIsMissing } from '../support/consul-server.js';
import { until } from '../support/waits.js';

describe.skipIf(consulIsMissing || opensslIsMissing)('an agent with TLS', () => {
  let certificate: Certificate;
  let server: ConsulServer;
  beforeAll(async () => {
    certificate = new Certificate();
    server = await ConsulServer.start({ certificate });
  });
  afterAll(async () => {
    await server?.stop();
    certificate?.remove();
  });
  const port = () => new URL(server.secureAddress).port;
  const refusal = async (options: Partial<ConsulOptions>) => {
    const backend = consul({ addresses: [server.secureAddress], commandTimeoutMs: 1_000, ...options });
    try {
      return await backend.acquire(ask('job')).then(
        () => 'granted',
        (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
      );
    } finally {
      await backend.close();
    }
  };

  it('grants, renews, wakes who waits and releases', async () => {
    const backend: Backend = await consulFromUrl(`consul+tls://127.0.0.1:${port()}?cacert=${certificate.cert}`);
    const [one, two] = [ask('job'), ask('job', { enqueue: true })];
    let woken = false;
    backend.watch(two.name, () => {
      woken = true;
    });
    expect(await backend.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await backend.renew([heldOf(one)])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await backend.acquire(two)).toMatchObject({ outcome: 'refused' });
    expect(await backend.release(heldOf(one))).toBe('released');
    await until(() => woken, 'the query that waits is answered');
    expect(await backend.acquire(two)).toMatchObject({ outcome: 'granted' });
    expect(await backend.release(heldOf(two))).toBe('released');
    await backend.close();
  });

  it('nothing is asked of one whose certificate is not known, or has another name: told with the way out', async () => {
    const ca = readFileSync(certificate.cert);
    expect(await refusal({})).toMatch(/^BACKEND_UNAVAILABLE: .*certificate.*tls\.ca/);
    expect(await refusal({ tls: { ca, servername: 'elsewhere' } })).toMatch(/^BACKEND_UNAVAILABLE: .*elsewhere.*tls\.servername/);
    expect(await refusal({ tls: { ca, servername: 'localhost' } })).toBe('granted');
  });

  it('the wrong port of the two: told which', async () => {
    expect(await refusal({ addresses: [`https://127.0.0.1:${server.port}`] })).toMatch(/^BACKEND_UNAVAILABLE: .*https?:/);
    expect(await refusal({ addresses: [`http://127.0.0.1:${port()}`] })).toMatch(/^BACKEND_UNAVAILABLE: .*https:/);
  });
});
