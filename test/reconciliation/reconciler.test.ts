import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { type SqliteRecords, sqliteRecords } from '../../src/backends/sqlite/index.js';
import { BackendUnavailableError, LeaseLostError } from '../../src/core/errors.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Records } from '../../src/core/records.js';
import type { RequestLog } from '../../src/core/request-log.js';
import { lead } from '../../src/election/index.js';
import { type Idempotent, idempotent } from '../../src/idempotency/index.js';
import {
  type Decision,
  type FrozenRequest,
  type Leading,
  type ReconcilerOptions,
  type ReconciliationEvents,
  reconciler,
  type Resolve,
  answerOf,
} from '../../src/idempotency/reconcile/index.js';
import { type IdempotencyRecord, parseRecord } from '../../src/idempotency/record.js';
import { recordKeyOf } from '../../src/idempotency/signature.js';
import { thrownBy, until } from '../support/waits.js';

describe('a reconciler', () => {
  let folder: string;
  let records: SqliteRecords;
  let charges: Idempotent;
  let terms = 0n;

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-reconciler-'));
    records = sqliteRecords(path.join(folder, 'records.db'));
    charges = idempotent(records, { operation: 'charge' });
  });
  afterEach(async () => {
    await charges.close();
    await records.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A term of its own, later than all before. */
  function leading(assertLeading = () => {}): Leading {
    terms += 1n;
    return { term: terms, signal: new AbortController().signal, assertLeading };
  }

  /** The charge failed in the middle. */
  async function freeze(key: string, by = charges): Promise<void> {
    const outcome = await by.run({ key }, (turn) => {
      turn.effect('charge');
      throw new Error('the connection was cut');
    });
    expect(outcome).toMatchObject({ outcome: 'frozen', because: 'error-after-effect' });
  }

  async function recordOf(key: string, operation = 'charge'): Promise<IdempotencyRecord> {
    const stored = await records.get(recordKeyOf({ namespace: 'default', tenant: undefined, operation, key }));
    return parseRecord(stored?.value ?? '');
  }

  /** A job, and everything that it reported. */
  function job(resolve: Resolve, options: Partial<ReconcilerOptions> = {}, on: Records = records) {
    const made = reconciler(on, { sinks: [], resolve, ...options });
    const events: (keyof ReconciliationEvents)[] = [];
    const errors: unknown[] = [];
    for (const type of ['resolved', 'unknown', 'overtaken', 'failed'] as const) made.on(type, () => events.push(type));
    made.on('failed', ({ error }) => errors.push(error));
    return { made, events, errors };
  }

  /** A second instance whose writes do not arrive while it is cut off. */
  function cutOff() {
    let isCut = false;
    const unlessCut = <T>(call: () => Promise<T>) => (isCut ? Promise.reject(new BackendUnavailableError('cut off')) : call());
    const cut: Records = {
      get: (key) => unlessCut(() => records.get(key)),
      create: (...args) => unlessCut(() => records.create(...args)),
      compareAndSet: (...args) => unlessCut(() => records.compareAndSet(...args)),
    };
    return { cut, set: (yes: boolean) => (isCut = yes) };
  }

  it('writes what resolve answers, and the next request replays it', async () => {
    await freeze('a');
    await freeze('b');
    const seen: FrozenRequest[] = [];
    const { made, events } = job((record) => {
      seen.push(record);
      return record.key === 'a'
        ? { verdict: 'completed', value: { id: 'ch_1' }, why: 'the provider has it' }
        : { verdict: 'failed', value: 'declined' };
    });
    const before = await recordOf('a');
    expect(await made.pass(leading())).toMatchObject({ completed: 1, failed: 1, unknown: 0, interrupted: false });
    expect(seen.map(({ effects }) => effects)).toEqual([['charge'], ['charge']]);
    expect(seen[0]?.fence).toBeGreaterThan(before.fence);
    expect(await charges.run({ key: 'a' }, () => 'again')).toMatchObject({
      outcome: 'replayed',
      state: 'completed',
      value: { id: 'ch_1' },
    });
    expect(await charges.run({ key: 'b' }, () => 'again')).toMatchObject({
      outcome: 'replayed',
      state: 'failed',
      value: 'declined',
    });
    expect((await recordOf('a')).resolution).toMatchObject({ verdict: 'completed', why: 'the provider has it' });
    expect(events).toEqual(['resolved', 'resolved']);
    expect(await made.pass(leading())).toMatchObject({ completed: 0, failed: 0 });
  });

  it('raises every declared sink to the fence that it has written, and only then reads evidence', async () => {
    await freeze('a');
    const { recordKey } = { recordKey: recordKeyOf({ namespace: 'default', tenant: undefined, operation: 'charge', key: 'a' }) };
    const order: string[] = [];
    const sink = (name: string) => ({
      sink: name,
      async raise({ resource, fence }: { resource: string; fence: bigint }) {
        expect((await recordOf('a')).fence).toBe(fence);
        order.push(`${name} ${resource}`);
        return fence;
      },
    });
    const { made } = job(
      () => {
        order.push('resolve');
        return { verdict: 'unknown' };
      },
      { sinks: [sink('db'), { guard: sink('ledger'), resources: ({ key }) => [`account of ${key}`, 'journal'] }] },
    );
    await made.pass(leading());
    expect(order.slice(0, 3).sort()).toEqual([`db ${recordKey}`, 'ledger account of a', 'ledger journal']);
    expect(order.slice(3)).toEqual(['resolve']);
  });

  it('resolves nothing while a sink does not answer, and goes on with the others', async () => {
    await freeze('a');
    await freeze('b');
    let asked = 0;
    const raise = ({ resource, fence }: { resource: string; fence: bigint }) =>
      resource === 'a' ? new Promise<bigint>(() => {}) : Promise.resolve(fence);
    const { made, errors } = job(
      () => {
        asked += 1;
        return { verdict: 'completed', value: null };
      },
      { sinks: [{ guard: { sink: 'db', raise }, resources: ({ key }) => [key] }], callTimeoutMs: 100 },
    );
    expect(await made.pass(leading())).toMatchObject({ completed: 1, notResolved: 1 });
    expect(asked).toBe(1);
    expect(errors[0]).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect((await recordOf('a')).state).toBe('FROZEN');
  });

  it('refuses a sink that does not raise', async () => {
    await freeze('a');
    const { made, errors } = job(() => ({ verdict: 'completed', value: null }), {
      sinks: [{ sink: 'broken', raise: async () => 1n }],
    });
    expect(await made.pass(leading())).toMatchObject({ completed: 0, notResolved: 1 });
    expect(String(errors[0])).toContain('mend this guard');
  });

  const proof = { source: 'the charges of the provider', notFound: 'a charge with this key' };
  it.each<[string, (record: FrozenRequest) => unknown]>([
    ['without a proof', () => ({ verdict: 'retry' })],
    ['with an empty proof', ({ fence }) => ({ verdict: 'retry', proof: { source: ' ', notFound: 'x', fence } })],
    ['with a proof of an earlier look', ({ fence }) => ({ verdict: 'retry', proof: { ...proof, fence: fence - 1n } })],
    ['with a proof without a fence', () => ({ verdict: 'retry', proof })],
    ['with a verdict that there is not', () => ({ verdict: 'done' })],
    ['with nothing', () => undefined],
    ['with a reason that is no text', () => ({ verdict: 'completed', value: 1, why: { because: 'x' } })],
  ])('stays frozen when resolve answers %s', async (_, answer) => {
    await freeze('a');
    const { made, errors } = job((record) => answer(record) as Decision);
    expect(await made.pass(leading())).toMatchObject({ retried: 0, notResolved: 1 });
    expect(errors[0]).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await recordOf('a')).state).toBe('FROZEN');
  });

  it('lets it be executed again with a proof, unless the original says that it was done', async () => {
    await freeze('a');
    const { made } = job(({ fence }) => ({ verdict: 'retry', proof: { ...proof, fence } }));
    expect(await made.pass(leading())).toMatchObject({ retried: 1 });
    expect(await charges.run({ key: 'a' }, ({ attempt }) => attempt)).toMatchObject({ outcome: 'executed', value: 2 });

    const { cut, set } = cutOff();
    const slow = idempotent(cut, { operation: 'charge', leaseTtlMs: 300 });
    let end = () => {};
    const running = slow.run({ key: 'b' }, () => new Promise<void>((resolve) => (end = resolve)));
    await until(
      async () =>
        (await records.get(recordKeyOf({ namespace: 'default', tenant: undefined, operation: 'charge', key: 'b' }))) !==
        undefined,
      'it runs',
    );
    set(true);
    await sleep(500);
    set(false);
    end();
    await running;
    expect(await recordOf('b')).toMatchObject({ state: 'FROZEN', evidence: [{ outcome: 'completed' }] });
    const stubborn = job(({ fence }) => ({ verdict: 'retry', proof: { ...proof, fence } }));
    expect(await stubborn.made.pass(leading())).toMatchObject({ retried: 0, notResolved: 1 });
    expect(String(stubborn.errors[0])).toContain('the paused original says');
    const careful = job((_, { late }) => ({ verdict: 'completed', value: answerOf(late[0]?.answer) }));
    expect(await careful.made.pass(leading())).toMatchObject({ completed: 1, disputed: 0 });
    await slow.close();
  });

  it('alerts about what stays unknown, asks less and less often, and at once when something has changed', async () => {
    await freeze('a');
    let asked = 0;
    const { made, events } = job(
      () => {
        asked += 1;
        return { verdict: 'unknown', why: 'the provider does not say' };
      },
      { everyMs: 1_500 },
    );
    const term = leading();
    const told: unknown[] = [];
    made.on('unknown', ({ why, asked: times }) => told.push([why, times]));
    expect(await made.pass(term)).toMatchObject({ unknown: 1 });
    expect(await made.pass(term)).toMatchObject({ unknown: 1 });
    expect(asked).toBe(1);
    await sleep(1_600);
    await made.pass(term);
    expect(asked).toBe(2);
    // Once as long would be time for the third, and twice as long is.
    await sleep(1_600);
    await made.pass(term);
    expect(asked).toBe(2);
    expect(told).toEqual([
      ['the provider does not say', 1],
      ['the provider does not say', 2],
    ]);
    expect(events).toEqual(['unknown', 'unknown']);
    expect(await charges.run({ key: 'a' }, () => 'again')).toMatchObject({ outcome: 'frozen' });
    const stored = await records.get(recordKeyOf({ namespace: 'default', tenant: undefined, operation: 'charge', key: 'a' }));
    await records.compareAndSet(stored?.key ?? '', stored?.version ?? '', stored?.value ?? '', undefined);
    await made.pass(term);
    expect(asked).toBe(3);
  });

  it('uses no answer that took too long, or that came after its term', async () => {
    await freeze('a');
    let aborted: AbortSignal | undefined;
    const slow = job(
      (_, __, { signal }) => {
        aborted = signal;
        return new Promise(() => {});
      },
      { resolveTimeoutMs: 50 },
    );
    expect(await slow.made.pass(leading())).toMatchObject({ notResolved: 1 });
    expect(aborted?.aborted).toBe(true);

    const over = new AbortController();
    const interrupted = job(() => {
      over.abort(new LeaseLostError('expired', 'the term is over'));
      return { verdict: 'completed', value: null };
    });
    const summary = await interrupted.made.pass({ ...leading(), signal: over.signal });
    expect(summary).toMatchObject({ completed: 0, interrupted: true });
    expect((await recordOf('a')).state).toBe('FROZEN');
  });

  it('goes on with the others when resolve loses a lease of its own', async () => {
    await freeze('a');
    await freeze('b');
    const { made, errors } = job(() => {
      throw new LeaseLostError('expired', 'a lease that resolve had taken');
    });
    expect(await made.pass(leading())).toMatchObject({ notResolved: 2, interrupted: false });
    expect(errors).toMatchObject([{ code: 'LEASE_LOST' }, { code: 'LEASE_LOST' }]);
  });

  it('knows its own retry again when the reply was lost and somebody has claimed it since', async () => {
    await freeze('a');
    const { get, create } = records;
    const lossy: Records = {
      get,
      create,
      list: (prefix) => (records.list as NonNullable<Records['list']>)(prefix),
      async compareAndSet(...args) {
        const answer = await records.compareAndSet(...args);
        if (parseRecord(args[2]).state !== 'PENDING') return answer;
        await charges.run({ key: 'a' }, () => 'charged');
        throw new BackendUnavailableError('the reply was lost');
      },
    };
    const { made, events } = job(({ fence }) => ({ verdict: 'retry', proof: { ...proof, fence } }), {}, lossy);
    expect(await made.pass(leading())).toMatchObject({ retried: 1, overtaken: 0, notResolved: 0 });
    expect(events).toEqual(['resolved']);
    expect(await recordOf('a')).toMatchObject({ state: 'COMPLETED', attempt: 2 });
  });

  /** A log of which only the tidying is of interest here. */
  function tidied(keys: readonly string[], over: string[], onLook = () => {}): RequestLog {
    return {
      started: async () => {},
      done: async () => {},
      take: async () => undefined,
      async retire(isOver) {
        for (const key of keys) {
          onLook();
          if (await isOver(key)) over.push(key);
        }
        return over.length;
      },
    };
  }

  it('lets go of entries in the log although a record before them is damaged', async () => {
    await charges.run({ key: 'done' }, () => 1);
    const done = recordKeyOf({ namespace: 'default', tenant: undefined, operation: 'charge', key: 'done' });
    await records.create('idempotency/damaged', 'x', undefined);
    const over: string[] = [];
    const { made } = job(() => ({ verdict: 'unknown' }), { log: tidied(['idempotency/damaged', done], over) });
    await made.pass(leading());
    expect(over).toEqual([done]);
  });

  it('ends tidying the log with its term', async () => {
    const ending = new AbortController();
    let looks = 0;
    const log = tidied(
      Array.from({ length: 100 }, (_, n) => `idempotency/${n}`),
      [],
      () => {
        looks += 1;
        if (looks === 2) ending.abort(new LeaseLostError('expired', 'the term is over'));
      },
    );
    const { made, errors } = job(() => ({ verdict: 'unknown' }), { log });
    await made.pass({ ...leading(), signal: ending.signal });
    expect([looks, errors]).toEqual([2, []]);
  });

  it('leaves to others what is running, decided, damaged, or of another operation', async () => {
    const refunds = idempotent(records, { operation: 'refund' });
    await freeze('a', refunds);
    await charges.run({ key: 'done' }, () => 1);
    let finish = () => {};
    const running = charges.run({ key: 'running' }, () => new Promise<void>((resolve) => (finish = resolve)));
    await records.create('idempotency/damaged', 'x', undefined);
    await records.create('another feature', 'x', undefined);
    await until(async () => (await recordOf('running').catch(() => undefined))?.state === 'PROCESSING', 'it runs');
    const { made, errors } = job(() => ({ verdict: 'failed', value: 0 }), { operation: 'charge' });
    expect(await made.pass(leading())).toMatchObject({ failed: 0, running: 1, notResolved: 1, lookAgainMs: undefined });
    expect(errors).toMatchObject([{ code: 'BACKEND_CORRUPT' }]);
    expect((await recordOf('a', 'refund')).state).toBe('FROZEN');
    finish();
    expect(await running).toMatchObject({ outcome: 'executed' });
    await refunds.close();
  });

  it('an older term changes nothing, whatever it believes', async () => {
    await freeze('a');
    const older = leading();
    const [older1, newer] = [job(() => ({ verdict: 'completed', value: 'older' })), job(() => ({ verdict: 'unknown' }))];
    await newer.made.pass(leading());
    const before = await recordOf('a');
    expect(await older1.made.pass(older)).toMatchObject({ overtaken: 1, completed: 0 });
    expect(await recordOf('a')).toEqual(before);
  });

  it('runs as the work of an elected leader, and looks again by itself', async () => {
    const locks = new Holdfast(memory(), { ttlMs: 5_000 });
    const { made } = job(() => ({ verdict: 'completed', value: 'found' }), { everyMs: 100 });
    const candidate = lead(locks, 'reconcile', (term) => made.run(term));
    await freeze('later');
    await until(async () => (await recordOf('later')).state === 'COMPLETED', 'it is resolved');
    await freeze('later still');
    await until(async () => (await recordOf('later still')).state === 'COMPLETED', 'it is resolved, too');
    await candidate.close();
    await locks.close();
  });

  it('works on several at a time, and on no more than it may', async () => {
    for (let n = 0; n < 6; n++) await freeze(`order ${n}`);
    let running = 0;
    let most = 0;
    let go = () => {};
    const three = new Promise<void>((resolve) => {
      go = resolve;
    });
    const resolve: Resolve = async () => {
      running += 1;
      most = Math.max(most, running);
      // One by one, this would never end.
      if (running === 3) go();
      await three;
      running -= 1;
      return { verdict: 'unknown' };
    };
    const { made } = job(resolve, { concurrency: 3 });
    expect(await made.pass(leading())).toMatchObject({ unknown: 6, interrupted: false });
    expect(most).toBe(3);
  });

  it('refuses options that cannot be meant', async () => {
    const resolve: Resolve = () => ({ verdict: 'unknown' });
    expect(() => reconciler(records, { resolve } as unknown as ReconcilerOptions)).toThrow('needs sinks');
    expect(() => reconciler(records, { sinks: [] } as unknown as ReconcilerOptions)).toThrow('needs resolve');
    expect(() => reconciler(records, { sinks: [{} as never], resolve })).toThrow('raise()');
    expect(() => reconciler(records, { sinks: [null as never], resolve })).toThrow('raise()');
    expect(() => reconciler(records, { sinks: [], resolve, answerBytesMax: Number.NaN })).toThrow('answerBytesMax');
    expect(() => reconciler(records, { sinks: [], resolve, log: {} as never })).toThrow('log');
    expect(() => reconciler(records, { sinks: [], resolve, evryMs: 1 } as never)).toThrow('did you mean "everyMs"?');
    const { get, create, compareAndSet } = records;
    expect(() => reconciler({ get, create, compareAndSet }, { sinks: [], resolve })).toThrow('no list()');
    expect(await thrownBy(async () => reconciler(records, { sinks: [], resolve }).on('done' as never, () => {}))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});
