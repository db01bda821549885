import { afterEach, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { HoldfastError } from '../../src/core/errors.js';
import { Holdfast } from '../../src/core/holdfast.js';

let locks = new Holdfast(memory());
afterEach(async () => {
  await locks.close();
  locks = new Holdfast(memory());
});

async function rejection(promise: Promise<unknown>): Promise<{ name: string; message: string; code?: unknown; cause?: unknown }> {
  return promise.then(
    () => ({ name: 'none', message: '' }),
    (error: Error & { code?: unknown }) => error,
  );
}

const never = () => {
  throw new Error('the callback must not run');
};
const raw = (...args: unknown[]) => (locks.request as (...given: unknown[]) => Promise<unknown>)(...args);
const aborted = AbortSignal.abort(new Error('mine'));

describe('request checks its arguments in the order of the Web Locks specification', () => {
  it.each([
    ['no arguments', [], 'TypeError'],
    ['no callback', ['x'], 'TypeError'],
    ['a symbol as name', [Symbol('s'), never], 'TypeError'],
    ['a callback that is no function', ['x', {}], 'TypeError'],
    ['a callback that is no function, behind options', ['-x', {}, 'no'], 'TypeError'],
    ['options that are no object', ['x', 5, never], 'TypeError'],
    ['an unknown mode, before the name is looked at', ['-x', { mode: 'exclusiv' }, never], 'TypeError'],
    ['a signal that is none', ['x', { signal: {} }, never], 'TypeError'],
    ['a name with a leading dash', ['-x', never], 'NotSupportedError'],
    ['steal with ifAvailable', ['x', { steal: true, ifAvailable: true }, never], 'NotSupportedError'],
    ['steal with shared', ['x', { steal: true, mode: 'shared' }, never], 'NotSupportedError'],
    ['signal with steal, before an aborted signal', ['x', { steal: true, signal: aborted }, never], 'NotSupportedError'],
    ['signal with ifAvailable', ['x', { ifAvailable: true, signal: aborted }, never], 'NotSupportedError'],
  ])('%s', async (_, args, name) => {
    const error = await rejection(raw(...args));
    expect(error.name).toBe(name);
    if (name === 'NotSupportedError') expect(error.cause).toBeInstanceOf(HoldfastError);
  });

  it('an aborted signal rejects with its reason', async () => {
    expect((await rejection(raw('x', { signal: aborted }, never))).message).toBe('mine');
  });

  it('never throws synchronously, and never runs the callback inside the call', async () => {
    let ran = false;
    const promise = locks.request('x', () => {
      ran = true;
    });
    expect(ran).toBe(false);
    await promise;
    expect(ran).toBe(true);
    const refused = raw();
    expect(refused).toBeInstanceOf(Promise);
    await rejection(refused);
  });
});

describe('our own options', () => {
  it.each([
    ['ttlMs 0', { ttlMs: 0 }],
    ['ttlMs negative', { ttlMs: -1 }],
    ['ttlMs NaN', { ttlMs: Number.NaN }],
    ['ttlMs beyond the limit', { ttlMs: 86_400_001 }],
    ['ttlMs as text', { ttlMs: '10s' }],
    ['waitMs negative', { waitMs: -1 }],
    ['waitMs infinite', { waitMs: Number.POSITIVE_INFINITY }],
    ['metadata nested', { metadata: { a: {} } }],
    ['metadata too large', { metadata: { a: 'x'.repeat(2_000) } }],
    // Few characters, each of six bytes in JSON.
    ['metadata too large as JSON', { metadata: { a: '\u0001'.repeat(180) } }],
    ['metadata too large in its keys', { metadata: { ['\ud800'.repeat(180)]: 1 } }],
    ['reentry unknown', { reentry: 'maybe' }],
    ['alone no boolean', { alone: 'yes' }],
  ])('%s is INVALID_ARGUMENT', async (_, options) => {
    expect((await rejection(raw('x', options, never))).code).toBe('INVALID_ARGUMENT');
  });

  it('an unknown option is named, with the nearest valid one', async () => {
    expect((await rejection(raw('x', { ttl: 5 }, never))).message).toBe('unknown option "ttl": did you mean "ttlMs"?');
    expect((await rejection(raw('x', { ifAvailble: true }, never))).message).toContain('did you mean "ifAvailable"?');
    expect(() => new Holdfast(memory(), { timeout: 5 } as never)).toThrow(/unknown option "timeout"/);
  });

  it('acquire rejects with our errors as themselves', async () => {
    expect((await rejection(locks.acquire('-x'))).code).toBe('NOT_SUPPORTED');
    expect((await rejection(locks.acquire('x', { mode: 'wrong' as never }))).code).toBe('INVALID_ARGUMENT');
    expect((await rejection(locks.acquire('x', { ifAvailable: true } as never))).message).toContain('waitMs: 0');
    expect((await rejection(locks.acquire('y'.repeat(600)))).code).toBe('INVALID_ARGUMENT');
  });

  it('what is no backend is refused', () => {
    expect(() => new Holdfast({} as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('a closed instance refuses everything', async () => {
    await locks.close();
    const closed = await rejection(locks.request('x', never));
    expect(closed).toMatchObject({ name: 'InvalidStateError', cause: { code: 'CLOSED' } });
    expect(await rejection(locks.acquire('x'))).toMatchObject({ code: 'CLOSED' });
    expect(await rejection(locks.query())).toMatchObject({ cause: { code: 'CLOSED' } });
  });

  it('an event that does not exist is named, with the nearest one', () => {
    expect(() => locks.on('grant' as never, never)).toThrow(/did you mean "granted"/);
  });
});
