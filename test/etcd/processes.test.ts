import { describe, expect, it } from 'vitest';
import { etcdIsMissing } from '../support/etcd-server.js';
import { Holders } from '../support/holders.js';
import { graceMs, Scene } from './scene.js';
import { standStill } from '../support/stand-still.js';
import { awakeMs } from '../support/waits.js';

const ttlMs = 1_500;

describe.skipIf(etcdIsMissing)('a holder in a process of its own', () => {
  const scene = new Scene();
  const holders = new Holders('etcd');
  const start = () => holders.start({ url: `etcd://${scene.server.address}`, name: 'job', ttlMs });

  it('is killed: the name is free when its TTL is over, and the next fence is higher', async () => {
    const worker = await start();
    worker.child.kill('SIGKILL');
    const beganMs = awakeMs();
    const next = await scene.holder().acquire('job', { waitMs: 15_000 });
    expect(awakeMs() - beganMs).toBeLessThan(ttlMs + graceMs);
    expect(next.fence).toBeGreaterThan(worker.fence);
    await next.release();
  });

  it('is stopped beyond its TTL: when it goes on it finds no fence', async () => {
    const worker = await start();
    standStill(worker.child.pid);
    const next = await scene.holder().acquire('job', { waitMs: 15_000 });
    worker.say('touch');
    worker.child.kill('SIGCONT');
    expect(await worker.next()).toMatchObject({ code: 'LEASE_LOST', loss: 'expired', aborted: true });
    await next.release();
  });

  it('ends by itself when it has given back what it held, although nothing was closed', async () => {
    const worker = await start();
    worker.say('rest');
    expect(await worker.next()).toEqual({ left: true });
    const beganMs = awakeMs();
    await worker.exited;
    expect(awakeMs() - beganMs).toBeLessThan(5_000);
  });
});
