import { setImmediate as nextPause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { context, propagation, trace } from '@opentelemetry/api';
import { AlwaysOffSampler, BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { openTelemetryTracer, outgoingHeaders } from '../../src/telemetry/opentelemetry/index.js';
import { inSpan, isBelow, Recording } from './traces/recording.js';

let recording: Recording;
beforeAll(() => {
  recording = new Recording();
});
afterEach(() => recording.clear());
afterAll(() => recording.stop());

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

describe('a loop that asks from inside its own callback', () => {
  it.each([
    ['sampled', () => openTelemetryTracer()],
    ['not sampled', () => openTelemetryTracer({ tracerProvider: new BasicTracerProvider({ sampler: new AlwaysOffSampler() }) })],
  ])('leaves no chain of contexts or baggage behind (%s)', async (_, tracer) => {
    const locks = new Holdfast(memory(), { tracer: tracer() });
    const turns = 100;
    const past: WeakRef<object>[] = [];
    const lastTurn = new Promise<{ left: number; headers: object }>((resolve, reject) => {
      const ask = () => void locks.request('job', turn).catch(reject);
      const turn = () => {
        past.push(new WeakRef(context.active()), new WeakRef(propagation.getActiveBaggage() as object));
        setImmediate(past.length < 2 * turns ? ask : end);
      };
      // Still in the context of the last one, with all that it keeps.
      const end = () => {
        collectGarbage();
        resolve({ left: past.filter((each) => each.deref() !== undefined).length, headers: outgoingHeaders() });
      };
      ask();
    });
    const { left, headers } = await lastTurn;
    expect(left).toBeLessThan(turns / 5);
    expect(headers).toHaveProperty('baggage', `lock_id=job,lease_generation=${turns},fencing_token=${turns}`);
    await locks.close();
  });
});

describe('what the callback does after it was lost', () => {
  it('lies below the hold, also where the loss is seen before the first pause', async () => {
    const locks = new Holdfast(memory(), { tracer: openTelemetryTracer(), ttlMs: 100 });
    const work = inSpan('lost', () =>
      locks.request('job', (lease) => {
        for (const untilMs = performance.now() + 150; performance.now() < untilMs; );
        expect(lease.signal.aborted).toBe(true);
        trace.getTracer('application').startSpan('inside').end();
      }),
    );
    await expect(work).rejects.toThrow(/expired/);
    await nextPause();
    expect(isBelow(recording.all('inside')[0], recording.of('lost').hold)).toBe(true);
    await locks.close();
  });
});
