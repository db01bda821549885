import { setImmediate as nextPause } from 'node:timers/promises';
import { hrTimeToMilliseconds } from '@opentelemetry/core';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { OutcomeUnknownError } from '../../src/core/errors.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { openTelemetryTracer } from '../../src/telemetry/opentelemetry/index.js';
import { wrapped } from '../../src/testkit/conformance/wrappers.js';
import { instances } from '../core/instances.js';
import { inSpan, Recording } from './traces/recording.js';

let recording: Recording;
beforeAll(() => {
  recording = new Recording();
});
afterEach(() => recording.clear());
afterAll(() => recording.stop());

const traced = () => instances({}, { tracer: openTelemetryTracer() }).locks;
const startMs = (span: ReadableSpan | undefined) => hrTimeToMilliseconds(span?.startTime ?? [0, 0]);
const endMs = (span: ReadableSpan | undefined) => hrTimeToMilliseconds(span?.endTime ?? [0, 0]);

/** Keeps the event loop busy: no pause comes. */
function block(ms: number): void {
  for (const untilMs = performance.now() + ms; performance.now() < untilMs; );
}

describe('spans that are made after the fact', () => {
  it('are made in the next pause, and do not wait for the end of the work', async () => {
    await traced().request('a', async () => {
      expect(recording.all('lock wait')).toEqual([]);
      await nextPause();
      expect(recording.all('lock wait').length).toBe(1);
      expect(recording.all('lock hold')).toEqual([]);
    });
    expect(recording.all('lock hold').length).toBe(1);
  });

  it('say when it was, not when they were made', async () => {
    await inSpan('busy', () =>
      traced().request('a', () => {
        block(30);
      }),
    );
    const { lock, wait, hold, release } = recording.of('busy');
    expect(endMs(hold) - startMs(hold)).toBeGreaterThanOrEqual(29);
    expect(endMs(wait)).toBe(startMs(hold));
    expect(startMs(release)).toBeGreaterThanOrEqual(endMs(hold));
    expect(startMs(wait)).toBeGreaterThanOrEqual(startMs(lock));
    expect(endMs(lock)).toBe(endMs(release));
  });

  it('lie inside the hold where the clock is stepped while a renewal fails', async () => {
    const { now } = Date;
    let steppedMs = 0;
    Date.now = () => now() + steppedMs;
    try {
      let failed: () => void = () => undefined;
      const failure = new Promise<void>((resolve) => {
        failed = resolve;
      });
      const renew = async () => {
        // More than the hold is old, and less than is left of it.
        steppedMs = 1_050;
        failed();
        throw new OutcomeUnknownError('no answer');
      };
      const locks = new Holdfast(wrapped(memory(), { renew }), { tracer: openTelemetryTracer(), ttlMs: 3_000 });
      await inSpan('stepped', () => locks.request('a', () => failure.then(() => nextPause())));
      await locks.close();
    } finally {
      Date.now = now;
    }
    const { hold } = recording.of('stepped');
    const [renewal] = recording.all('lock renewal failed');
    expect(startMs(renewal)).toBeGreaterThanOrEqual(startMs(hold));
    expect(endMs(renewal)).toBeLessThanOrEqual(endMs(hold));
    expect(endMs(renewal)).toBe(hrTimeToMilliseconds(renewal?.events[0]?.time ?? [0, 0]));
  });

  it('are all there when the request has its answer: whoever shuts the SDK down then loses none', async () => {
    const locks = traced();
    const names = () => ['lock', 'lock wait', 'lock hold', 'lock release'].map((name) => recording.all(name).length);
    await locks.request('a', () => undefined);
    expect(names()).toEqual([1, 1, 1, 1]);
    await (await locks.acquire('a')).release();
    expect(names()).toEqual([2, 2, 2, 2]);
  });
});
