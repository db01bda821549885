import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { consul } from '../../src/backends/consul/index.js';
import { heldOf, ask as makeAsk } from '../support/asks.js';
import { consulIsMissing } from '../support/consul-server.js';
import { awakeMs, graceMs, lossOf, Scene, until } from './scene.js';

/** Shorter sessions than Consul has by default, so that a test can wait for their end. */
describe.skipIf(consulIsMissing)('sessions', () => {
  const scene = new Scene(1, { more: { session_ttl_min: '1s' } });
  const worker = fileURLToPath(new URL('worker.mjs', import.meta.url));

  it('that an operator ends: nobody else is granted before the holder has been told', async () => {
    const ttlMs = 6_000;
    const locks = scene.holder({ ttlMs });
    const lease = await locks.acquire('job');
    const { fence } = lease;
    await scene.work(lease);
    const [session] = (await scene.server.sessions()).filter(({ Name }) => Name === 'holdfast hold');
    const lost = lossOf(locks);
    await scene.server.http('PUT', `/v1/session/destroy/${session?.ID}`);
    expect(await scene.server.keys()).toEqual([]);
    const [beganMs, beganAwakeMs] = [performance.now(), awakeMs()];
    const next = await scene.holder({ ttlMs }).acquire('job', { waitMs: 30_000 });
    const [waitedMs, waitedAwakeMs] = [performance.now() - beganMs, awakeMs() - beganAwakeMs];
    expect(lease.signal.aborted).toBe(true);
    expect((await lost).loss).toBe('forgotten');
    // The delay is that of the class of its TTL: 10 s.
    expect(waitedMs).toBeGreaterThan(ttlMs - 100);
    expect(waitedAwakeMs).toBeLessThan(10_000 + graceMs);
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    await next.release();
  });

  it('the same, and a reader is not let in either', async () => {
    const locks = scene.holder({ ttlMs: 2_000 });
    const lease = await locks.acquire('job');
    const [session] = (await scene.server.sessions()).filter(({ Name }) => Name === 'holdfast hold');
    await scene.server.http('PUT', `/v1/session/destroy/${session?.ID}`);
    const backend = consul({ addresses: [scene.server.address] });
    const ask = makeAsk('job', { mode: 'shared', ttlMs: 2_000 });
    expect(await backend.acquire(ask)).toMatchObject({ outcome: 'refused', because: 'held' });
    await until(() => lease.signal.aborted, 'the holder is told');
    await until(async () => (await backend.acquire(ask)).outcome === 'granted', 'the delay is over', 10_000);
    await backend.release(heldOf(ask));
    await backend.close();
  });

  it('of a process that was killed while nobody waited: Consul takes its locks away, and whoever asks once is granted', async () => {
    const child = spawn(process.execPath, [worker, scene.server.address, 'job', '1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await scene.server.keys()).toHaveLength(1);
    // Twice the TTL of the session, which is 10 s for all short leases.
    await until(async () => (await scene.server.keys()).length === 0, 'it is gone', 25_000);
    expect(await scene.server.sessions()).toEqual([]);
  }, 60_000);

  it('are ended with the backend', async () => {
    const locks = scene.holder();
    await (await locks.acquire('another')).release();
    expect((await scene.server.sessions()).map(({ Name }) => Name)).toEqual(['holdfast hold']);
    await locks.close();
    expect(await scene.server.sessions()).toEqual([]);
  });
});
