import { describe, expect, it } from 'vitest';
import type { RequestOptions } from '../../src/core/options.js';
import { gate, holdReply } from '../../src/testkit/conformance/wrappers.js';
import { instances, microtasks, outcomeOf, work } from './instances.js';

/** What happens in the few microtasks between the store's yes and the turn that it leads to. */

const windows = Array.from({ length: 16 }, (_, i) => i);

function hooked() {
  let hook: (() => void) | undefined;
  const scene = instances({
    acquire: async (call, ask) => {
      const answer = await call(ask);
      hook?.();
      hook = undefined;
      return answer;
    },
    revoke: async (call, name, by) => {
      const answer = await call(name, by);
      hook?.();
      hook = undefined;
      return answer;
    },
  });
  return { ...scene, afterYes: (after: number, act: () => void) => (hook = () => void microtasks(after).then(act)) };
}

describe('a request that is given up in the moment of its grant', () => {
  it.each(windows)('by an abort, %i microtasks after the yes: begins, or is rejected, never both', async (after) => {
    for (const options of [{ waitMs: 0 }, {}] satisfies RequestOptions[]) {
      const { ports, locks, other, afterYes, records } = hooked();
      const controller = new AbortController();
      const { callback, end, running } = work();
      let began = running;
      afterYes(after, () => controller.abort());
      const request = outcomeOf(
        locks.request('a', { ...options, signal: controller.signal }, (lease) => {
          began = true;
          expect(lease?.fence).toBeTypeOf('bigint');
          return callback();
        }),
      );
      await ports.pass(0);
      expect(began).toBe(!request.settled);
      const second = outcomeOf(other.request('a', { ifAvailable: true }, (lease) => lease !== null));
      await ports.pass(0);
      expect(second.value).toBe(!began);
      end();
      await ports.pass(10);
      expect(records()).toEqual([]);
    }
  });

  it.each(windows)('and another that enters in the same step, %i microtasks after, gets a grant of its own', async (after) => {
    const { ports, locks, other, afterYes, records } = hooked();
    const controller = new AbortController();
    const first = work();
    const next = work();
    afterYes(after, () => {
      controller.abort();
      outcomeOf(locks.request('a', next.callback));
    });
    outcomeOf(locks.request('a', { signal: controller.signal }, first.callback));
    await ports.pass(0);
    expect([first.running, next.running].filter(Boolean)).toHaveLength(1);
    const third = outcomeOf(other.request('a', { ifAvailable: true }, (lease) => lease !== null));
    await ports.pass(0);
    expect(third.value).toBe(false);
    first.end();
    next.end();
    await ports.pass(10);
    expect(records()).toEqual([]);
  });

  it.each(windows)('by close, %i microtasks after the yes: nothing begins in a closed instance', async (after) => {
    for (const options of [{}, { waitMs: 0 }, { steal: true }] satisfies RequestOptions[]) {
      const { ports, locks, afterYes, records } = hooked();
      const { callback, end } = work();
      let began = false;
      let closed: { readonly settled: boolean } | undefined;
      afterYes(after, () => {
        closed = outcomeOf(locks.close());
      });
      const request = outcomeOf(
        locks.request('a', options, () => {
          began = true;
          return callback();
        }),
      );
      await ports.pass(0);
      expect(began).toBe(!request.settled);
      expect(closed?.settled).toBe(!began);
      end();
      await ports.pass(10);
      expect(closed?.settled).toBe(true);
      expect(records()).toEqual([]);
    }
  });
});

describe('a queue that ends late', () => {
  it('does not take away the one that came after it', async () => {
    const answer = gate();
    const { ports, locks, other } = instances({ release: holdReply(answer) });
    const holder = await other.acquire('a');
    const controller = new AbortController();
    const acquiring = locks.acquire('a');
    outcomeOf(locks.request('a', { signal: controller.signal }, () => {}));
    await ports.pass(0);
    outcomeOf(holder.release());
    await ports.pass(10);
    const lease = await acquiring;
    // The listener of its own signal stands still past the deadline, between two turns of a batch.
    lease.signal.addEventListener('abort', () => ports.stall(5_000));
    const released = outcomeOf(lease.release());
    await ports.pass(0);
    expect(released.settled).toBe(false);
    controller.abort();
    await ports.pass(0);
    const { callback, end, running } = work();
    let began = running;
    outcomeOf(
      locks.request('a', () => {
        began = true;
        return callback();
      }),
    );
    await ports.pass(0);
    answer.open();
    await ports.pass(1_000);
    expect(began).toBe(true);
    const query = outcomeOf(locks.query());
    await ports.pass(0);
    expect(query.value?.held).toHaveLength(1);
    const closed = outcomeOf(locks.close());
    await ports.pass(0);
    expect(closed.settled).toBe(false);
    end();
    await ports.pass(10);
    expect(closed.settled).toBe(true);
  });
});
