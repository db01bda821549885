import { describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { Calls } from '../../src/core/calls.js';
import { systemPorts } from '../../src/core/clock.js';
import { OutcomeUnknownError } from '../../src/core/errors.js';
import { Emitter, lockEventTypes, type StoreCallEvent } from '../../src/core/events.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { thrownBy } from '../support/waits.js';

const real = systemPorts();

/** Calls whose clock is counted. */
function scene() {
  const counted = { readings: 0 };
  const now = () => {
    counted.readings += 1;
    return real.now();
  };
  const emitter = new Emitter(() => {}, lockEventTypes);
  const calls = new Calls({ ...real, now }, { emitter, node: 'n' });
  const heard: StoreCallEvent[] = [];
  const listen = () => emitter.on('store-call', (event) => heard.push(event));
  const call = (answer: () => Promise<unknown>, timeoutMs = 1_000) => {
    return new Promise((resolve, reject) => calls.within(timeoutMs, real.now(), 'testing', answer, resolve, reject, 'renew'));
  };
  return { counted, heard, listen, call };
}

describe('store-call', () => {
  it('costs nothing while nobody listens: no clock is read, nothing is made', async () => {
    const { call, counted, listen } = scene();
    await call(async () => 1);
    const first = counted.readings;
    await call(async () => 1);
    const off = counted.readings - first;
    listen();
    await call(async () => 1);
    expect([off, counted.readings - first - off]).toEqual([0, 1]);
  });

  it('says what the call was for, how it ended, and how long it took', async () => {
    const { call, heard, listen } = scene();
    const stop = listen();
    await call(async () => 1);
    await thrownBy(call(() => Promise.reject(new Error('no'))));
    await thrownBy(call(() => Promise.reject(new OutcomeUnknownError('lost'))));
    await thrownBy(call(() => new Promise(() => {}), 20));
    expect(heard.map(({ node, op, outcome }) => `${node} ${op} ${outcome}`)).toEqual([
      'n renew answered',
      'n renew failed',
      'n renew unknown',
      'n renew unknown',
    ]);
    expect(heard[3]?.tookMs).toBeGreaterThan(15);
    stop();
    await call(async () => 1);
    expect(heard.length).toBe(4);
  });
});

describe('requested', () => {
  it('is followed by one granted, abandoned or refused, whatever was asked for', async () => {
    const locks = new Holdfast(memory());
    const seen: string[] = [];
    for (const type of ['requested', 'granted', 'abandoned', 'refused'] as const) locks.on(type, () => seen.push(type));
    const ask = async (work: () => Promise<unknown>) => {
      seen.length = 0;
      await work();
      return [...seen];
    };
    const lease = await locks.acquire('a');
    expect(await ask(() => thrownBy(locks.acquire('a', { waitMs: 0 })))).toEqual(['requested', 'refused']);
    expect(await ask(() => locks.request('a', { ifAvailable: true }, () => {}))).toEqual(['requested', 'refused']);
    expect(await ask(() => thrownBy(locks.acquire('a', { waitMs: 10 })))).toEqual(['requested', 'abandoned']);
    expect(await ask(() => locks.request('a', { steal: true }, () => {}))).toEqual(['requested', 'granted']);
    expect(await ask(() => locks.request('b', { ifAvailable: true }, () => {}))).toEqual(['requested', 'granted']);
    await lease.release();
    await locks.close();
  });
});
