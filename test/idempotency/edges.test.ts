import { describe, expect, it } from 'vitest';
import { systemPorts } from '../../src/core/clock.js';
import { BackendUnavailableError } from '../../src/core/errors.js';
import { endDispute } from '../../src/idempotency/index.js';
import { formatRecord, parseRecord } from '../../src/idempotency/record.js';
import { recordKeyOf } from '../../src/idempotency/signature.js';
import type { ClosableRecords } from '../../src/testkit/index.js';
import { freshKey, gate, Scene } from './scene.js';
import { kinds } from './stores.js';

const scene = new Scene(kinds['sqlite'] as (typeof kinds)[string]);

function neverCalled(): never {
  throw new Error('the handler must not be called');
}

describe('an operation that is closed', () => {
  it('waits no longer for what runs elsewhere, and begins nothing', async () => {
    const [one, other] = [await scene.charges(), await scene.charges()];
    const [begun, looked, end] = [gate(), gate(), gate()];
    const key = freshKey();
    const first = one.run({ key }, async () => {
      begun.open();
      await end.opened;
      return 'done';
    });
    await begun.opened;
    const waiting = other.run({ key, waitMs: 600_000 }, neverCalled);
    setTimeout(looked.open, 100);
    await looked.opened;
    await other.close();
    expect(await waiting).toMatchObject({ outcome: 'running' });
    end.open();
    await first;
  });
});

/** The clocks of a process that is paused now and then, and the timers that it sets. */
function pausable() {
  const ports = systemPorts();
  const delays: number[] = [];
  let pausedMs = 0;
  const now = () => {
    const instant = ports.now();
    return { ...instant, monotonicMs: instant.monotonicMs + pausedMs };
  };
  const timer: typeof ports.timer = (delayMs, fn, idle) => {
    delays.push(delayMs);
    return ports.timer(delayMs, fn, idle);
  };
  const pause = (ms: number) => {
    pausedMs += ms;
  };
  return { ports: { ...ports, now, timer }, delays, pause };
}

describe('a dead claim', () => {
  it('freezes although the clock of the store was set back: a whole lease seen unchanged is enough', async () => {
    const { ports, pause } = pausable();
    const store = await scene.records();
    const unborn: ClosableRecords = {
      ...store,
      async create(...args) {
        const { written, record } = await store.create(...args);
        return { written, record: record && { ...record, ageMs: 0 } };
      },
    };
    const key = freshKey();
    const end = gate();
    const begun = gate();
    const dead = scene.over(store).run({ key }, async () => {
      begun.open();
      await end.opened;
    });
    await begun.opened;
    const charges = scene.over(unborn, { ports });
    expect(await charges.run({ key }, neverCalled)).toMatchObject({ outcome: 'running' });
    pause(11_000);
    expect(await charges.run({ key }, neverCalled)).toMatchObject({ outcome: 'frozen', because: 'lease-ended' });
    end.open();
    expect(await dead).toMatchObject({ outcome: 'frozen' });
  });
});

describe('a claim whose answer was slow', () => {
  const leaseTtlMs = 10_000;
  const slowToCreate = (records: ClosableRecords, slow: () => void): ClosableRecords => ({
    ...records,
    async create(...args) {
      const answer = await records.create(...args);
      slow();
      return answer;
    },
  });

  it('is timed from now: its loss is signalled no later than its deadline', async () => {
    const { ports, delays, pause } = pausable();
    const records = slowToCreate(await scene.records(), () => pause(8_500));
    const charges = scene.over(records, { leaseTtlMs, ports });
    const outcome = await charges.run({ key: freshKey() }, () => Math.min(...delays));
    expect(outcome).toMatchObject({ outcome: 'executed' });
    expect((outcome as unknown as { value: number }).value).toBeLessThan(1_500);
  });

  it('and is over by then: nothing is executed, nothing freezes, and it may be sent again', async () => {
    const { ports, pause } = pausable();
    let slowMs = 2 * leaseTtlMs;
    const records = slowToCreate(await scene.records(), () => pause(slowMs));
    const charges = scene.over(records, { leaseTtlMs, ports });
    const key = freshKey();
    await expect(charges.run({ key }, neverCalled)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    slowMs = 0;
    await expect.poll(async () => (await scene.recordOf(key))?.state).toBe('PENDING');
    expect(await charges.run({ key }, ({ attempt }) => attempt)).toMatchObject({ outcome: 'executed', value: 2 });
  });

  it('counts from its first try, which may be the one that was done in the end', async () => {
    const { ports, pause } = pausable();
    const store = await scene.records();
    const key = freshKey();
    await scene
      .over(store)
      .run({ key }, neverCalled)
      .catch(() => {});
    let isSent = false;
    let late: (() => Promise<unknown>) | undefined;
    const charges = scene.over(
      {
        ...store,
        async compareAndSet(...args) {
          if (isSent) return store.compareAndSet(...args);
          isSent = true;
          late = () => store.compareAndSet(...args);
          throw new BackendUnavailableError('the connection broke');
        },
        async get(at) {
          const seen = await store.get(at);
          if (late === undefined) return seen;
          // It arrives right behind the look, whose answer takes its time.
          await late();
          late = undefined;
          pause(6_000);
          return seen;
        },
      },
      { leaseTtlMs, ports },
    );
    const outcome = await charges.run({ key }, (turn) => {
      pause(4_000);
      return turn.signal.aborted;
    });
    // What came late is kept as evidence, and says that the signal was aborted.
    expect(outcome).toMatchObject({ outcome: 'frozen' });
    expect((await scene.recordOf(key))?.evidence).toMatchObject([{ outcome: 'completed', answer: { text: 'true' } }]);
  });
});

describe('a disputed record', () => {
  it('is kept until somebody has looked, whatever its time was', async () => {
    const records = await scene.records();
    const charges = scene.over(records, { ttlMs: 60_000 });
    const key = freshKey();
    const [begun, end] = [gate(), gate()];
    const late = charges.run({ key }, async (turn) => {
      begun.open();
      await end.opened;
      return turn.attempt;
    });
    await begun.opened;
    // As a reconciler leaves it that found nothing done.
    const recordKey = recordKeyOf({ namespace: 'default', tenant: undefined, operation: 'charge', key });
    const stored = await records.get(recordKey);
    const running = parseRecord(stored?.value ?? '');
    const failed = { ...running, state: 'FAILED' as const, fence: running.fence + 1n };
    await records.compareAndSet(recordKey, stored?.version ?? '', formatRecord(failed), 60_000);
    end.open();
    expect(await late).toMatchObject({ outcome: 'replayed', state: 'failed' });
    expect(await scene.recordOf(key)).toMatchObject({ disputed: true, evidence: [{ outcome: 'completed' }] });
    expect((await records.get(recordKey))?.expiresAtMs).toBeUndefined();

    expect(await endDispute(records, recordKey)).toMatchObject({ disputed: true });
    expect((await records.get(recordKey))?.expiresAtMs).toEqual(expect.any(Number));
    expect(await scene.recordOf(key)).toMatchObject({ state: 'FAILED', disputed: false, evidence: [{ outcome: 'completed' }] });
    expect(await endDispute(records, recordKey)).toBeUndefined();
    expect(await endDispute(records, 'idempotency/none')).toBeUndefined();
  });
});
