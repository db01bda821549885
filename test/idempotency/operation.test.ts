import { Buffer } from 'node:buffer';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError, NotSupportedError } from '../../src/core/errors.js';
import { idempotencyChannelPrefix, idempotencyEventTypes } from '../../src/idempotency/events.js';
import { httpSignature, idempotent } from '../../src/idempotency/index.js';
import { freshKey, gate, Scene } from './scene.js';
import { kinds } from './stores.js';

const scene = new Scene(kinds['sqlite'] as (typeof kinds)[string]);

function neverCalled(): never {
  throw new Error('the handler must not be called');
}

describe('an operation', () => {
  it('refuses an answer that is kept for less than a lease, and options that mean nothing', async () => {
    const records = await scene.records();
    const make = (options: object) => () => idempotent(records, { operation: 'charge', ...options });
    expect(make({ ttlMs: 9_999 })).toThrow(InvalidArgumentError);
    expect(make({ ttlMs: 500, leaseTtlMs: 501 })).toThrow(/at least as long/);
    expect(make({ leaseTtl: 500 })).toThrow(/did you mean "leaseTtlMs"/);
    expect(make({ operation: '' })).toThrow(InvalidArgumentError);
    const charges = make({})();
    await expect(charges.run({ key: '' }, neverCalled)).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(charges.run({ key: 'k', signal: 'abort' as never }, neverCalled)).rejects.toThrow(/give an AbortSignal/);
    await expect(charges.run({ key: 'k', signature: 's', parts: [] }, neverCalled)).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  it('signs before the handler may change what it was handed', async () => {
    const charges = await scene.charges();
    const body = Buffer.from('amount=100');
    const key = freshKey();
    await charges.run({ key, parts: [body] }, () => {
      body.fill(0);
      return 'done';
    });
    expect(await charges.run({ key, parts: [Buffer.from('amount=100')] }, neverCalled)).toMatchObject({ outcome: 'replayed' });
    expect(await charges.run({ key, parts: [body] }, neverCalled)).toMatchObject({ outcome: 'mismatch' });
  });

  it('hands a turn to handlers that they may take apart', async () => {
    const charges = await scene.charges();
    const key = freshKey();
    const outcome = await charges.run({ key }, ({ fence, attempt, signal, effect, assertHeld, recordKey }) => {
      assertHeld();
      effect('charge');
      return [typeof fence, attempt, signal.aborted, recordKey];
    });
    expect(outcome).toMatchObject({ outcome: 'executed', value: ['bigint', 1, false, outcome.recordKey] });
    expect((await scene.recordOf(key))?.effects).toEqual(['charge']);
  });

  it('keeps JSON and bytes as they were, and a tombstone of the rest', async () => {
    const charges = await scene.charges({ answerBytesMax: 1_000 });
    const kept = [
      undefined,
      null,
      '',
      '\ud800 \0 "',
      -0,
      Number.NaN,
      2 ** 53,
      [undefined, 1],
      new Uint8Array([0, 255, 10]),
      { $bytes: 'no bytes', $$: 1, nested: { body: new Uint8Array([1]), missing: undefined } },
    ];
    for (const value of kept) {
      const key = freshKey();
      await charges.run({ key }, () => value);
      const replay = await charges.run({ key }, neverCalled);
      expect(replay).toStrictEqual({ ...replay, outcome: 'replayed', kept: true, value });
    }
    for (const [value, because] of [
      ['x'.repeat(1_000), 'too-large'],
      [new Date(), 'not-json'],
      [new Map(), 'not-json'],
      [1n, 'not-json'],
    ] as const) {
      const key = freshKey();
      expect(await charges.run<unknown>({ key }, () => value)).toMatchObject({ outcome: 'executed', value });
      expect(await charges.run({ key }, neverCalled)).toMatchObject({ outcome: 'replayed', kept: false, because });
    }
  });

  it('runs no more handlers at a time than it may, and replays all the same', async () => {
    const charges = await scene.charges({ inFlightMax: 2 });
    const known = freshKey();
    await charges.run({ key: known }, () => 'known');
    const end = gate();
    const running = [freshKey(), freshKey()].map((key) => charges.run({ key }, () => end.opened));
    await expect.poll(async () => (await charges.run({ key: freshKey() }, () => 'fresh')).outcome).toBe('full');
    expect(await charges.run({ key: freshKey() }, neverCalled)).toMatchObject({
      outcome: 'full',
      where: 'process',
      retryAfterMs: expect.any(Number),
    });
    expect(await charges.run({ key: known }, neverCalled)).toMatchObject({ outcome: 'replayed', value: 'known' });
    end.open();
    await Promise.all(running);
    expect(await charges.run({ key: freshKey() }, () => 'room')).toMatchObject({ outcome: 'executed' });
  });

  it('waiting ends with its time, and with its signal', async () => {
    const charges = await scene.charges();
    const key = freshKey();
    const end = gate();
    const begun = gate();
    const first = charges.run({ key }, async () => {
      begun.open();
      await end.opened;
    });
    await begun.opened;
    expect(await charges.run({ key, waitMs: 100 }, neverCalled)).toMatchObject({ outcome: 'running' });
    const controller = new AbortController();
    const waiting = charges.run({ key, waitMs: 60_000, signal: controller.signal }, neverCalled);
    const reason = new Error('the client went away');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    end.open();
    await first;
  });

  it('close waits for what runs, and refuses what comes', async () => {
    const charges = await scene.charges();
    const end = gate();
    const begun = gate();
    const key = freshKey();
    const first = charges.run({ key }, async () => {
      begun.open();
      await end.opened;
      return 'done';
    });
    await begun.opened;
    const closing = charges.close();
    await expect(charges.run({ key: freshKey() }, neverCalled)).rejects.toMatchObject({ code: 'CLOSED' });
    end.open();
    await closing;
    expect(await first).toMatchObject({ outcome: 'executed', value: 'done' });
  });

  it('tells of everything, here and on diagnostics_channel, and a listener that throws breaks nothing', async () => {
    const charges = await scene.charges();
    const heard: string[] = [];
    const published: string[] = [];
    const note = (_: unknown, name: string | symbol) => void published.push(String(name).slice(idempotencyChannelPrefix.length));
    for (const type of idempotencyEventTypes) {
      charges.on(type, () => void heard.push(type));
      subscribe(idempotencyChannelPrefix + type, note);
    }
    const [key, broken, frozen] = [freshKey(), freshKey(), freshKey()];
    await charges.run({ key, parts: ['a'] }, () => 'done');
    await charges.run({ key, parts: ['a'] }, neverCalled);
    await charges.run({ key, parts: ['b'] }, neverCalled);
    await charges.run({ key: broken }, neverCalled).catch(() => {});
    await charges.run({ key: frozen }, (turn) => {
      turn.effect('charge');
      throw new Error('x');
    });
    const expected = ['claimed', 'completed', 'replayed', 'mismatch', 'claimed', 'released', 'claimed', 'frozen'];
    expect(heard).toEqual(expected);
    expect(published).toEqual(expected);
    for (const type of idempotencyEventTypes) unsubscribe(idempotencyChannelPrefix + type, note);
    expect(charges.counters()).toEqual({ admissions: 5, replays: 1 });
  });

  it('has no transactions where the store has none', async () => {
    const { in: _, ...records } = await scene.records();
    const charges = scene.over(records);
    const run = charges.run({ key: freshKey() }, (turn) => turn.completeIn(undefined as never, 'x'));
    await expect(run).rejects.toBeInstanceOf(NotSupportedError);
  });
});

describe('a signature', () => {
  const request = {
    method: 'POST',
    path: '/charges',
    query: 'a=1&b=2',
    headers: { 'content-type': 'application/json' },
    body: '{"amount":100}',
  };
  const signed = httpSignature(request);

  it('is the same for what means the same', () => {
    expect(
      httpSignature({ ...request, method: 'post', query: '?b=2&a=1', headers: { 'Content-Type': 'application/json' } }),
    ).toBe(signed);
    expect(httpSignature({ ...request, body: Buffer.from(request.body) })).toBe(signed);
  });

  it.each([
    { method: 'PUT' },
    { path: '/charge' },
    { query: 'a=1&b=3' },
    { query: 'a=1' },
    { query: 'a=1b=2' },
    { query: 'a=1&b=2', path: '/charges?' },
    { headers: {} },
    { headers: { 'content-type': ['application/json', ''] } },
    { body: '{"amount":1000}' },
    { body: '' },
  ])('differs with %j', (change) => {
    expect(httpSignature({ ...request, ...change })).not.toBe(signed);
  });

  it('keeps the order of parameters of one name', () => {
    expect(httpSignature({ ...request, query: 'a=2&a=1' })).not.toBe(httpSignature({ ...request, query: 'a=1&a=2' }));
  });
});
