import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Redis } from 'ioredis';
import { redisRecords } from '../../src/backends/redis/index.js';
import { idempotent } from '../../src/idempotency/index.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { freshKey } from './scene.js';

describe.skipIf(redisIsMissing)('on Redis', () => {
  let server: RedisServer;
  let client: Redis;
  let admin: Redis;
  beforeAll(async () => {
    server = await RedisServer.start('--maxmemory-policy', 'noeviction');
    client = new Redis(server.url);
    admin = new Redis(server.url);
  });
  afterAll(async () => {
    client.disconnect();
    admin.disconnect();
    await server.stop();
  });

  /** Commands that clients sent, scripts counted once. */
  async function commandsDuring(work: () => Promise<unknown>): Promise<number> {
    const count = async () => {
      const stats = await admin.info('commandstats');
      return [...stats.matchAll(/^cmdstat_(evalsha|eval|get|set|script\|load):calls=(\d+)/gm)].reduce(
        (sum, match) => sum + Number(match[2]),
        0,
      );
    };
    const before = await count();
    await work();
    return (await count()) - before;
  }

  it('a fresh request is two round trips, and a replay one', async () => {
    const charges = idempotent(redisRecords(client), { operation: 'charge' });
    // The server learns the scripts.
    await charges.run({ key: freshKey() }, () => 'warm');
    const key = freshKey();
    expect(await commandsDuring(() => charges.run({ key }, () => 'done'))).toBe(2);
    expect(await commandsDuring(() => charges.run({ key }, () => 'again'))).toBe(1);
    await charges.close();
  });

  it('a flood that fills the memory is refused, and takes nothing away from what is undecided', async () => {
    const charges = idempotent(redisRecords(client), { operation: 'flood', leaseTtlMs: 2_000 });
    const undecided = freshKey();
    await expect(
      charges.run({ key: undecided }, () => {
        throw new Error('try again');
      }),
    ).rejects.toThrow('try again');
    const frozen = freshKey();
    await charges.run({ key: frozen }, (turn) => {
      turn.effect('charge');
      throw new Error('who knows');
    });
    const first = freshKey();
    await charges.run({ key: first }, () => 'first');
    // The server has room for some of the answers.
    const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]);
    await admin.config('SET', 'maxmemory', String(used + 150_000));
    const executions = new Map<string, number>();
    let refused: unknown;
    let last: string | undefined;
    let thrown = 0;
    for (let i = 0; i < 2_000 && refused === undefined; i++) {
      const key = freshKey();
      const outcome = await charges
        .run({ key }, () => {
          executions.set(key, (executions.get(key) ?? 0) + 1);
          return 'x'.repeat(30_000);
        })
        .catch((error: unknown) => ({ outcome: 'thrown' as const, error }));
      if (outcome.outcome === 'full') refused = outcome;
      if (outcome.outcome === 'executed') last = key;
      if (outcome.outcome === 'thrown') thrown += 1;
    }
    expect(refused).toMatchObject({ outcome: 'full', where: 'store' });
    expect([...executions.values()].every((count) => count === 1)).toBe(true);
    // One that was claimed with the last bytes can be out of luck; not one after the other.
    expect(thrown).toBeLessThanOrEqual(2);
    // When large answers find no room any more, that they were given is noted all the same.
    expect(await charges.run({ key: last ?? '' }, () => 'again')).toMatchObject({
      outcome: 'replayed',
      kept: false,
      because: 'no-room',
    });
    // What is there is answered from.
    expect(await charges.run({ key: first }, () => 'again')).toMatchObject({ outcome: 'replayed', value: 'first' });
    expect(await charges.run({ key: frozen }, () => 'again')).toMatchObject({ outcome: 'frozen' });
    await admin.config('SET', 'maxmemory', '0');
    expect(await charges.run({ key: undecided }, ({ attempt }) => attempt)).toMatchObject({ outcome: 'executed', value: 2 });
    await charges.close();
  });
});
