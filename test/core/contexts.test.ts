import { AsyncLocalStorage } from 'node:async_hooks';
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { systemPorts } from '../../src/core/clock.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { LockName } from '../../src/core/name.js';
import { type Path, Paths } from '../../src/core/path.js';
import { until } from '../support/waits.js';
import { instances, outcomeOf } from './instances.js';

/** Later ones follow async contexts without following promises. */
const majorVersion = Number(process.versions.node.split('.')[0]);

describe('the async context of a caller', () => {
  it('is that of its callback, also in the middle of a batch', async () => {
    const user = new AsyncLocalStorage<string>();
    const locks = new Holdfast(memory());
    const names = ['alice', 'bob', 'carol'];
    const seen = names.map((name) =>
      user.run(name, () =>
        locks.request('a', async () => {
          const atFirst = user.getStore();
          await nextTurn();
          return [atFirst, user.getStore()];
        }),
      ),
    );
    expect(await Promise.all(seen)).toEqual(names.map((name) => [name, name]));
    await locks.close();
  });

  it('is not kept by what serves everyone: timers of the keeper, asks, wake-ups', async () => {
    const user = new AsyncLocalStorage<string>();
    const ports = systemPorts();
    const kept = new Set<string | undefined>();
    const store = memory();
    const watched = new Proxy(ports, {
      get(target, key) {
        if (key !== 'timer') return Reflect.get(target, key);
        return (...args: Parameters<typeof ports.timer>) => {
          kept.add(user.getStore());
          return ports.timer(...args);
        };
      },
    });
    const locks = new Holdfast(store, { ttlMs: 3_000 }, watched);
    const seen: unknown[] = [];
    locks.on('renewed', () => seen.push(user.getStore()));
    const lease = await user.run('alice', () => locks.acquire('a'));
    kept.clear();
    await until(() => seen.length > 0 && kept.size > 0, 'a renewal, and what comes after it');
    expect(new Set(seen)).toEqual(new Set([undefined]));
    expect(kept).toEqual(new Set([undefined]));
    await lease.release();
    await locks.close();
  });

  it('does not make a listener a part of the request in whose time it is called', async () => {
    const locks = new Holdfast(memory(), { ttlMs: 3_000 });
    const refusal = await locks.request(
      'a',
      () =>
        new Promise((resolve) => {
          const stop = locks.on('renewed', () => {
            stop();
            locks.acquire('a', { waitMs: 5 }).catch(resolve);
          });
        }),
    );
    expect(refusal).toMatchObject({ code: 'TIMED_OUT' });
    await locks.close();
  });
});

describe('what nothing runs under', () => {
  // In a process of its own: here the test runner follows promises too. Who is followed has another id after each step.
  const program = `
    import { executionAsyncId } from 'node:async_hooks';
    import { setImmediate as nextTurn } from 'node:timers/promises';
    import { Holdfast } from 'holdfast';
    import { memory } from 'holdfast/memory';
    const followed = async () => {
      await null;
      const id = executionAsyncId();
      await null;
      return executionAsyncId() !== id;
    };
    const locks = new Holdfast(memory());
    const seen = [];
    for (let i = 0; i < 2; i++) {
      seen.push(await followed());
      await locks.request('a', async () => seen.push(await followed()));
      await nextTurn();
      await nextTurn();
    }
    seen.push(await followed());
    await locks.close();
    process.stdout.write(JSON.stringify(seen));
  `;

  it.skipIf(majorVersion > 22)('slows down no promise of the process', () => {
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual([false, true, false, true, false]);
  });
});

describe('paths of several instances, after there were none for a while', () => {
  it('are found again, also where callbacks overlap or throw, and a storage of the user is left alone', async () => {
    const user = new AsyncLocalStorage<string>();
    const [one, other] = [new Holdfast(memory()), new Holdfast(memory())];
    const inner = () => one.acquire('a', { waitMs: 1_000 }).catch((error: { code?: string }) => error.code);
    await user.run('alice', async () => {
      for (let round = 0; round < 3; round++) {
        const thrower = one.request('b', async () => {
          await nextTurn();
          throw new Error('of the work');
        });
        const around = one.request('a', () =>
          other.request('a', async () => [await nextTurn(), await nextTurn(), await inner()]),
        );
        await expect(thrower).rejects.toThrow('of the work');
        expect(await around).toEqual([undefined, undefined, 'DEADLOCK']);
        await nextTurn();
        await nextTurn();
        expect(user.getStore()).toBe('alice');
      }
    });
    await one.close();
    await other.close();
  });
});

describe('a callback that holds nothing', () => {
  it('is not refused the name: null of ifAvailable', async () => {
    const { ports, locks } = instances();
    const suspicions: string[] = [];
    locks.on('deadlock-suspected', ({ because }) => suspicions.push(because));
    const holder = await locks.acquire('a');
    const inner = outcomeOf(
      locks.request('a', { ifAvailable: true }, async (lease) => {
        expect(lease).toBeNull();
        const taken = await locks.acquire('a', { waitMs: 1_000 });
        await taken.release();
        return 'taken';
      }),
    );
    await ports.pass(0);
    outcomeOf(holder.release());
    await ports.pass(10);
    expect(inner).toMatchObject({ value: 'taken', error: undefined });
    expect(suspicions).toEqual([]);
  });

  it('after a loss it may wait for the name, and still may not close the instance that waits for it', async () => {
    const { ports, locks } = instances();
    const seen: unknown[] = [];
    outcomeOf(
      locks.request('a', { maxHoldMs: 100 }, async () => {
        await new Promise((resolve) => void ports.timer(200, () => resolve(undefined)));
        seen.push(await locks.close().catch((error: unknown) => error));
        seen.push(await locks.acquire('a', { waitMs: 100 }).catch((error: unknown) => error));
      }),
    );
    await ports.pass(500);
    expect(seen).toEqual([expect.objectContaining({ code: 'DEADLOCK' }), expect.objectContaining({ code: 'TIMED_OUT' })]);
  });
});

describe('a loop that asks from inside its own callback', () => {
  it('leaves no chain of paths behind', () => {
    const paths = new Paths();
    const name: LockName = { text: 'job', encoded: 'job' };
    const enter = (): Path => ({
      name,
      mode: 'exclusive',
      instance: paths,
      stack: '',
      parent: paths.parent(),
      holds: false,
      running: true,
    });
    const depth = (path: Path | undefined): number => (path === undefined ? 0 : 1 + depth(path.parent));
    // Before the first has ended, or after: the one around the next is over by then, or soon will be.
    for (const handOverHand of [false, true]) {
      let deepest = 0;
      const turn = (left: number, around: Path | undefined): void => {
        const path = enter();
        if (around !== undefined) around.running = false;
        deepest = Math.max(deepest, depth(path));
        const inside = () => {
          path.running = handOverHand;
          if (left > 0) turn(left - 1, path);
        };
        paths.run(path, inside, undefined);
      };
      turn(100, undefined);
      expect(deepest).toBeLessThanOrEqual(handOverHand ? 2 : 1);
    }
  });
});
