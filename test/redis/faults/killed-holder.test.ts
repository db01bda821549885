import { describe, expect, it } from 'vitest';
import { redisIsMissing } from '../../support/redis-server.js';
import { awakeMs } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing)('a holder that is killed with -9', () => {
  const scene = new Scene();

  it('is followed by whoever waits, after its TTL and not before', async () => {
    const ttlMs = 1_000;
    const dead = await scene.holderProcess('job', ttlMs);
    const locks = await scene.holder();
    const next = locks.acquire('job');
    dead.child.kill('SIGKILL');
    const [killedMs, killedAwakeMs] = [performance.now(), awakeMs()];
    const lease = await next;
    const [tookMs, tookAwakeMs] = [performance.now() - killedMs, awakeMs() - killedAwakeMs];
    // Its last renewal may have been up to a third of the TTL ago.
    expect(tookMs).toBeGreaterThan(ttlMs / 2);
    expect(tookAwakeMs).toBeLessThan(ttlMs + 1_500);
    expect(await scene.work(lease)).toBe(true);
    expect(await lease.release()).toBe('released');
    expect(await scene.sink.check()).toEqual({ turns: 2, refused: 0 });
  });

  it('costs a crowd of waiters its TTL once', async () => {
    const dead = await scene.holderProcess('job', 500);
    const crowd = scene.crowd(
      [await scene.holder(), await scene.holder({ library: 'node-redis 5' }), await scene.holder()],
      'job',
    );
    dead.child.kill('SIGKILL');
    await crowd.more(30);
    await crowd.stop();
    expect(crowd.failures).toEqual([]);
    expect((await scene.sink.check()).refused).toBe(0);
  });
});
