import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Commands } from '../../src/backends/postgres/commands.js';
import { parseOptions } from '../../src/backends/postgres/options.js';
import { Sweeper } from '../../src/backends/postgres/sweeper.js';
import { ask, heldOf } from '../support/asks.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { Scene } from './scene.js';

describe('sweeping', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('goes on while a round is full, so that it keeps up with names that are used once', async () => {
    const answers = ['10000', '10000', '17'];
    const every: unknown[] = [];
    const call = (_name: string, args: readonly unknown[]) => {
      every.push(args[1]);
      return Promise.resolve(answers[every.length - 1] ?? '0');
    };
    const sweeper = new Sweeper({ call } as unknown as Commands, parseOptions());
    sweeper.pass();
    expect(every).toEqual([]);
    const laterMs = performance.now() + 3_000_000;
    vi.spyOn(performance, 'now').mockReturnValue(laterMs);
    sweeper.pass();
    sweeper.pass();
    await sleep(20);
    expect(every).toEqual([3_600_000, 0, 0]);
  });
});

describe.skipIf(postgresIsMissing)('the sweep', () => {
  const scene = new Scene();
  const sweep = async () => {
    await scene.server.rows("UPDATE holdfast.meta SET swept = swept - interval '2 hours'");
    return scene.server.value('SELECT holdfast.v2_sweep(172800000, 3600000, 1000)');
  };
  const age = (interval: string) =>
    scene.server.rows(
      `UPDATE holdfast.leases SET since = since - interval '${interval}', expires = expires - interval '${interval}', fence = fence - 3600000000`,
    );

  it('takes out readers that nobody gave back, and then their names', async () => {
    const store = scene.backend();
    const [dead, alive] = [ask('dead', { mode: 'shared' }), ask('alive', { mode: 'shared' })];
    await store.acquire(dead);
    await store.acquire(alive);
    await scene.server.rows("UPDATE holdfast.readers SET expires = expires - interval '3 days' WHERE name = 'dead'");
    await age('3 days');
    expect(await sweep()).toBe('2');
    expect(await scene.server.rows('SELECT name FROM holdfast.leases')).toEqual([{ name: 'alive' }]);
    expect(await store.renew([heldOf(alive)])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await store.release(heldOf(alive))).toBe('released');
  });

  it('leaves a name whose owner was withdrawn while it looked', async () => {
    const store = scene.backend();
    const first = ask('job');
    await store.acquire(first);
    await store.release(heldOf(first));
    await age('3 days');
    // It takes its time between reading the row and locking it.
    await scene.server.rows(`CREATE OR REPLACE FUNCTION holdfast.v2_us(_t timestamptz) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
      BEGIN PERFORM pg_sleep(0.4); RETURN (extract(epoch FROM _t) * 1000000)::bigint; END $$`);
    const swept = sweep();
    await sleep(200);
    const late = ask('job');
    await store.abandon(late);
    await swept;
    expect(await store.acquire(late)).toMatchObject({ outcome: 'refused', because: 'abandoned' });
  });
});
