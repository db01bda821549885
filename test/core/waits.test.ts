import process from 'node:process';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { BackendUnavailableError, NotSupportedError } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import type { RequestOptions } from '../../src/core/options.js';
import { instances, outcomeOf, ttlMs } from './instances.js';
import { settled } from './ports.js';

const never = () => new Promise<never>(() => {});
const down = () => Promise.reject(new Error('down'));

describe('waitMs', () => {
  it('ends a steal, too, and tells what is wrong with the store', async () => {
    const { ports, locks } = instances({ revoke: down, acquire: down });
    for (const options of [{ steal: true, waitMs: 100 }, { waitMs: 100 }] satisfies RequestOptions[]) {
      const request = outcomeOf(locks.request('a', options, () => {}));
      await ports.pass(101);
      expect(request.error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: expect.stringContaining('down') });
    }
    const once = outcomeOf(locks.request('a', { steal: true, waitMs: 0 }, () => {}));
    await ports.pass(0);
    expect(once.error).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('does not say "not free" of a store that has said nothing', async () => {
    const { ports, locks } = instances({ acquire: never, revoke: never });
    for (const options of [{ waitMs: 100 }, { steal: true, waitMs: 100 }] satisfies RequestOptions[]) {
      const request = outcomeOf(locks.request('a', options, () => {}));
      await ports.pass(101);
      expect(request.error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    }
  });

  it('says "not free" where the store or this process holds it against the caller', async () => {
    let silent = false;
    const { ports, locks, other } = instances({ acquire: (call, ask) => (silent ? never() : call(ask)) });
    await other.acquire('a');
    const behindOther = outcomeOf(locks.acquire('a', { waitMs: 100 }));
    await locks.acquire('b');
    silent = true;
    const behindOwn = outcomeOf(locks.acquire('b', { waitMs: 100 }));
    await ports.pass(101);
    expect(behindOther.error).toMatchObject({ code: 'TIMED_OUT' });
    expect(behindOwn.error).toMatchObject({ code: 'TIMED_OUT' });
  });

  it('of 0 inside the own callback is a deadlock, not a busy lock', async () => {
    const { ports, locks } = instances();
    const request = outcomeOf(locks.request('a', () => locks.acquire('a', { waitMs: 0 })));
    await ports.pass(0);
    expect(request.error).toMatchObject({ code: 'DEADLOCK' });
  });
});

describe('query', () => {
  const kinds: RequestOptions[] = [{}, { ifAvailable: true }, { steal: true }, { waitMs: 0 }, { waitMs: 50 }];
  it.each(kinds)('shows a request with %j while its ask is under way', async (options) => {
    const { ports, locks } = instances({ acquire: never, revoke: never });
    outcomeOf(locks.request('n', options, () => {}));
    const query = outcomeOf(locks.query());
    await ports.pass(0);
    expect(query.value?.pending).toMatchObject([{ name: 'n', state: 'waiting' }]);
  });

  it('gives the listing back when it fails half way', async () => {
    let returned = 0;
    const listing = {
      next: down,
      return: async () => {
        returned += 1;
        return { done: true, value: undefined };
      },
    };
    const list = () => ({ [Symbol.asyncIterator]: () => listing });
    const { ports, locks } = instances({ list: list as unknown as Backend['list'] });
    const query = outcomeOf(locks.query());
    await ports.pass(0);
    expect(query.error).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    expect(returned).toBe(1);
  });

  it('and inspect and revoke fail with errors of ours', async () => {
    const throws = () => {
      throw new Error('ECONNREFUSED');
    };
    const { ports, locks } = instances({ read: throws, list: throws, revoke: throws });
    for (const ask of [() => locks.query(), () => locks.inspect('a'), () => locks.revoke('a', { reason: 'test' })]) {
      const asked = outcomeOf<unknown>(ask());
      await ports.pass(0);
      expect(asked.error).toBeInstanceOf(BackendUnavailableError);
      expect(asked.error).toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
    }
  });
});

describe('a signal that many wait under', () => {
  it('has one listener, and none when nobody waits', async () => {
    const { ports, locks, other } = instances();
    const warnings: string[] = [];
    const note = (warning: Error) => warnings.push(warning.name);
    process.on('warning', note);
    const holder = await other.acquire('a');
    const { signal } = new AbortController();
    let listening = 0;
    const counted = new Proxy(signal, {
      getPrototypeOf: () => AbortSignal.prototype,
      get(target, key) {
        if (key === 'addEventListener') listening += 1;
        if (key === 'removeEventListener') listening -= 1;
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const all = Array.from({ length: 50 }, () => outcomeOf(locks.request('a', { signal: counted }, () => 'done')));
    await ports.pass(0);
    expect(listening).toBe(1);
    outcomeOf(holder.release());
    await ports.pass(limits.pollMsMax);
    expect(all.every(({ value }) => value === 'done')).toBe(true);
    expect(listening).toBe(0);
    await settled();
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it('takes all of them away when it aborts, and only them', async () => {
    const { ports, locks, other, records } = instances();
    const holder = await other.acquire('a');
    const controller = new AbortController();
    const leaving = Array.from({ length: 50 }, () => outcomeOf(locks.request('a', { signal: controller.signal }, () => {})));
    const staying = outcomeOf(locks.request('a', () => 'done'));
    await ports.pass(0);
    controller.abort(new Error('enough'));
    await ports.pass(0);
    for (const { error } of leaving) expect(error).toMatchObject({ message: 'enough' });
    outcomeOf(holder.release());
    await ports.pass(10);
    expect(staying.value).toBe('done');
    expect(records()).toEqual([]);
  });
});

describe('an ask that the store refuses for good', () => {
  it('fails those who want the same, and not those who want something else', async () => {
    const { ports, locks } = instances({
      acquire: async (call, ask) => {
        if (ask.mode === 'shared') throw new NotSupportedError('no shared mode here');
        return call(ask);
      },
    });
    const shared = outcomeOf(locks.request('a', { mode: 'shared' }, () => 1));
    const exclusive = outcomeOf(locks.request('a', () => 2));
    const sharedToo = outcomeOf(locks.request('a', { mode: 'shared' }, () => 3));
    await ports.pass(0);
    expect(shared.error).toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(sharedToo.error).toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(exclusive.value).toBe(2);
  });
});

describe('wake-ups', () => {
  it('that come with every ask do not make it spin', async () => {
    let asks = 0;
    let wake = () => {};
    const { ports, locks, other } = instances({
      acquire: (call, ask) => {
        asks += 1;
        setImmediate(() => wake());
        return call(ask);
      },
      watch: (_, woken) => {
        wake = woken;
        return () => {};
      },
    });
    await other.acquire('a');
    outcomeOf(locks.acquire('a', { waitMs: 500 }));
    for (let i = 0; i < 500; i++) await ports.pass(1);
    expect(asks).toBeGreaterThan(20);
    expect(asks).toBeLessThanOrEqual(500 / limits.retryMsMin + limits.wokenTriesMax + 2);
  });

  it('are answered at once, also several in a row', async () => {
    let asks = 0;
    let wake = () => {};
    const { ports, locks, other } = instances({
      acquire: (call, ask) => {
        asks += 1;
        return call(ask);
      },
      watch: (_, woken) => {
        wake = woken;
        return () => {};
      },
    });
    await other.acquire('a');
    outcomeOf(locks.acquire('a'));
    await ports.pass(50);
    asks = 0;
    for (let i = 1; i <= 5; i++) {
      wake();
      await ports.pass(0);
      expect(asks).toBe(i);
    }
  });

  it('cannot be had where watch throws: the ask is withdrawn, and the error is ours', async () => {
    const throws = () => {
      throw new Error('no watching');
    };
    const { ports, locks, other, records } = instances({ watch: throws });
    await other.acquire('a');
    const request = outcomeOf(locks.request('a', () => {}));
    await ports.pass(0);
    expect(request.error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: expect.stringContaining('no watching') });
    expect(records().map(({ state }) => state)).toEqual(['held']);
  });
});

describe('an answer that is none', () => {
  it('is a failure of the store like any other', async () => {
    let asked = 0;
    const { ports, locks, records } = instances({
      acquire: async (call, ask) => (asked++ === 0 ? (undefined as never) : call(ask)),
    });
    const request = outcomeOf(locks.request('a', () => 'done'));
    await ports.pass(ttlMs);
    expect(request.value).toBe('done');
    expect(records()).toEqual([]);
  });
});
