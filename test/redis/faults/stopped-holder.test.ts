import { describe, expect, it } from 'vitest';
import { redisIsMissing } from '../../support/redis-server.js';
import { Scene } from './scene.js';
import { standStill } from '../../support/stand-still.js';

describe.skipIf(redisIsMissing)('a holder that stood still past its TTL', () => {
  const scene = new Scene();

  it('stopped and continued: its late write is refused, and the first touch says that the lease is lost', async () => {
    const stopped = await scene.holderProcess('job', 500);
    standStill(stopped.child.pid);
    const locks = await scene.holder();
    const lease = await locks.acquire('job');
    expect(await scene.work(lease)).toBe(true);
    stopped.say('touch');
    stopped.child.kill('SIGCONT');
    expect(await stopped.next()).toEqual({ code: 'LEASE_LOST', loss: 'expired', aborted: true });
    stopped.say('write');
    expect(await stopped.next()).toEqual({ accepted: false });
    stopped.say('release');
    // A call may take no longer than half of the TTL: on a busy machine that is not long enough for an answer.
    expect(await stopped.next()).toEqual({ released: expect.stringMatching(/^(?:not-owner|unknown)$/) });
    lease.assertHeld();
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
    expect((await scene.sink.check()).refused).toBe(1);
  });

  it('its event loop blocked: the very next line of code cannot pick up the fence', async () => {
    const blocked = await scene.holderProcess('job', 500);
    const locks = await scene.holder();
    const next = locks.acquire('job');
    blocked.say('block 1500');
    const lease = await next;
    expect(await scene.work(lease)).toBe(true);
    expect(await blocked.next()).toEqual({ code: 'LEASE_LOST', loss: 'expired', aborted: true });
    blocked.say('release');
    await blocked.next();
    lease.assertHeld();
    await lease.release();
    expect((await scene.sink.check()).refused).toBe(0);
  });
});
