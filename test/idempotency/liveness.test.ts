import { describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.js';
import type { StoredRecord } from '../../src/core/records.js';
import { Liveness } from '../../src/idempotency/liveness.js';

describe('the liveness of claims whose store has no clock that all share', () => {
  it('a round over more claims than can be remembered gets to know all of them, part by part', () => {
    const clock = { hrtimeMs: 0, monotonicMs: 0, wallMs: 0, uptimeMs: 0 };
    const liveness = new Liveness({ now: () => ({ ...clock }) } as never, true);
    const keys = new Set(Array.from({ length: 2.5 * limits.sightingsMax }, (_, n) => `key ${n}`));
    const claim = (key: string): StoredRecord => ({ key, value: '', version: '1', storeTimeMs: 0, expiresAtMs: undefined });
    let rounds = 0;
    for (; keys.size > 0 && rounds < 20; rounds++) {
      for (const key of [...keys]) if (liveness.leftMs(claim(key), 25) === 0) keys.delete(key);
      liveness.endRound();
      clock.monotonicMs += 10;
    }
    expect([keys.size, rounds]).toEqual([0, 14]);
  });
});
