import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OutcomeUnknownError } from '../../src/core/errors.js';
import type { Holdfast } from '../../src/core/holdfast.js';
import { limits } from '../../src/core/limits.js';
import { decodeName } from '../../src/core/name.js';
import type { RequestTrace, Tracer } from '../../src/core/tracer.js';
import { incomingContext, leaseIn, openTelemetryTracer, outgoingHeaders } from '../../src/telemetry/opentelemetry/index.js';
import { instances, ttlMs } from '../core/instances.js';
import { settled } from '../core/ports.js';
import { thrownBy } from '../support/waits.js';
import { Recording } from './traces/recording.js';

const broken = () => {
  throw new Error('the tracer is broken');
};
const quiet: RequestTrace = {
  failed: () => undefined,
  notAvailable: () => undefined,
  granted: () => undefined,
  handedOut: () => undefined,
  run: (_, work) => work(),
  renewalFailed: () => undefined,
  lost: () => undefined,
  ended: () => undefined,
  releasing: () => undefined,
  over: () => undefined,
};
const following = (changed: object): Tracer => ({ follow: () => ({ ...quiet, ...changed }) });

/** One of each way in which a request can go, with what users see of it. */
async function everything({ locks, other, ports }: ReturnType<typeof instances>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const see = async (work: Promise<unknown>) => {
    const result = work.then(
      (value) => seen.push(value),
      (error: Error) => seen.push(`${error.name}: ${error.message}`),
    );
    await ports.pass(ttlMs / 3);
    await result;
  };
  await see(locks.request('a', () => 'a value'));
  await see(locks.request('a', () => Promise.reject(new Error('of the callback'))));
  await see(locks.request('a', () => broken()));
  await see(locks.acquire('a').then((lease) => lease.release()));
  const holding = await other.acquire('a');
  await see(locks.request('a', { ifAvailable: true }, (lease) => lease));
  await see(locks.acquire('a', { waitMs: 0 }));
  await see(locks.acquire('a', { waitMs: 10 }));
  await see(locks.request('a', { steal: true }, () => 'stolen'));
  await see(holding.release());
  await see(Promise.all([1, 2, 3].map((n) => locks.request('a', () => n))));
  await see(losing(locks, 'slow'));
  return seen;
}

function losing(locks: Holdfast, name: string): Promise<unknown> {
  return locks.request(name, { maxHoldMs: 100 }, (lease) => {
    return new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
  });
}

const faults = { renew: () => Promise.reject(new OutcomeUnknownError('no answer')) };

describe('a tracer that is broken breaks nothing', () => {
  const methods = Object.keys(quiet);
  const untraced = () => everything(instances(faults));
  const tracers: readonly (readonly [string, Tracer])[] = [
    ['throws when it is asked', { follow: broken }],
    ...methods.map((method) => [`throws in ${method}`, following({ [method]: broken })] as const),
    ...methods.map((method) => [`rejects in ${method}`, following({ [method]: async () => broken() })] as const),
    ['throws after the work has begun', following({ run: (_: unknown, work: () => unknown) => [work(), broken()] })],
    ['runs the work twice', following({ run: (_: unknown, work: () => unknown) => [work(), work()] })],
    ['runs the work late', following({ run: (_: unknown, work: () => unknown) => sleep(1).then(work) })],
    ['runs the work asynchronously', following({ run: async (_: unknown, work: () => unknown) => work() })],
    ['does not run it', following({ run: () => undefined })],
    ['has a note that is none', following({ note: { traceparent: { toString: broken } } })],
    ['throws when its note is read', { follow: () => Object.defineProperty({ ...quiet }, 'note', { get: broken }) }],
    ['follows nobody', { follow: () => undefined }],
  ];

  it.each(tracers)('one that %s', async (_, tracer) => {
    const scene = instances(faults, { tracer });
    expect(await everything(scene)).toEqual(await untraced());
    await settled();
    const foreign = scene.ports.warnings.filter((warning) => !warning.includes('of the tracer'));
    expect(foreign).toEqual([]);
  });

  it('is reported', async () => {
    const { locks, ports } = instances({}, { tracer: following({ granted: broken }) });
    await locks.request('a', () => undefined);
    expect(ports.warnings).toEqual(['"granted" of the tracer threw; nothing else is affected']);
  });

  it('is refused at once if it is no tracer', () => {
    const wrong = { tracer: {} as Tracer };
    expect(() => instances({}, wrong)).toThrow(/tracer is .*follow\(\)/);
  });
});

let recording: Recording;
beforeAll(() => {
  recording = new Recording();
});
afterAll(() => recording.stop());

describe('an SDK that throws at a span that is made after the fact', () => {
  /** Keeps its spans, and throws at the start of one `lock wait`. */
  const throwing = () => {
    const exporter = new InMemorySpanExporter();
    const processor: SpanProcessor = new SimpleSpanProcessor(exporter);
    processor.onStart = (span) => {
      if ((span as unknown as { readonly name: string }).name === 'lock wait') broken();
    };
    const tracerProvider = new BasicTracerProvider({ spanProcessors: [processor] });
    return { tracer: openTelemetryTracer({ tracerProvider }), exporter };
  };
  const warning = (method: string) => `"${method}" of the tracer threw; nothing else is affected`;

  it('throws nothing into the callback that looks for the active span', async () => {
    const { tracer } = throwing();
    const { locks, ports } = instances({}, { tracer });
    const looked = await locks.request('a', () => trace.getActiveSpan()?.isRecording());
    expect(looked).toBe(true);
    expect(ports.warnings).toEqual([warning('over')]);
  });

  it('keeps nothing from being told that comes after it: a loss', async () => {
    const { tracer, exporter } = throwing();
    const { locks, ports } = instances({}, { tracer });
    const lost = losing(locks, 'a').catch((error: Error) => error.name);
    await settled();
    await ports.pass(ttlMs / 3);
    expect(await lost).toBe('AbortError');
    await settled();
    expect(ports.warnings).toEqual([warning('lost')]);
    const whole = exporter.getFinishedSpans().find((span) => span.name === 'lock');
    expect(whole?.attributes).toMatchObject({ 'holdfast.loss': 'overdue' });
  });
});

describe('what goes along', () => {
  const held = async (metadata: Readonly<Record<string, string>>, name = 'a') => {
    const { locks, records } = instances({}, { tracer: openTelemetryTracer() });
    const shown = await locks.request(name, { metadata }, () => records()[0]?.metadata);
    return shown;
  };

  it('a note is left out where metadata has no room for it', async () => {
    const room = limits.metadataBytesMax - JSON.stringify({ text: '' }).length;
    const full = { text: 'x'.repeat(room) };
    expect(await held(full)).toEqual(full);
    const noteBytes = JSON.stringify({ traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01` }).length - 1;
    expect(await held({ text: 'x'.repeat(room - noteBytes) })).toHaveProperty('traceparent');
    const oneMore = { text: 'x'.repeat(room - noteBytes + 1) };
    expect(await held(oneMore)).toEqual(oneMore);
  });

  it('a traceparent of the application stays', async () => {
    expect(await held({ traceparent: 'mine' })).toEqual({ traceparent: 'mine' });
  });

  it('what others have written is no link unless it is a traceparent', async () => {
    const { locks, other } = instances({}, { tracer: openTelemetryTracer() });
    const zeros = `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`;
    for (const traceparent of ['', 'mine', zeros, 7, `00-${'A'.repeat(32)}-${'1'.repeat(16)}-01`]) {
      await other.request('a', { metadata: { traceparent } }, async () => {
        expect(await thrownBy(locks.acquire('a', { waitMs: 0 }))).toMatchObject({ code: 'BUSY' });
      });
    }
    expect(recording.all('lock wait').flatMap(({ links }) => links)).toEqual([]);
  });

  it('requests of the callback carry the lease beside the baggage of the application, and any name', async () => {
    for (const name of ['order:7', '', 'a b;c,d=e%', '\u{1f512}', '\ud83d', '\0', 'x'.repeat(limits.nameBytesMax)]) {
      const { locks } = instances({}, { tracer: openTelemetryTracer() });
      await locks.request(name, (lease) => {
        const headers = outgoingHeaders({ accept: 'x', Baggage: 'old=1', traceparent: 'old' });
        expect(Object.keys(headers).sort()).toEqual(['accept', 'baggage', 'traceparent']);
        const carried = leaseIn(incomingContext(headers));
        expect(carried).toMatchObject({ fencingToken: lease.fence, leaseGeneration: lease.fence });
        expect(decodeName(carried?.lockId ?? '?')).toBe(name);
        expect(leaseIn(incomingContext(new Headers(headers)))).toEqual(carried);
        expect(leaseIn()).toEqual(carried);
      });
      expect(leaseIn(), 'only inside').toBeUndefined();
    }
  });

  it('a name that must not leave goes under another one, or without baggage', async () => {
    const hidden = openTelemetryTracer({ lockId: (name) => `${name.length} characters` });
    await instances({}, { tracer: hidden }).locks.request('secret', () => expect(leaseIn()?.lockId).toBe('6 characters'));
    const silent = openTelemetryTracer({ baggage: false });
    await instances({}, { tracer: silent }).locks.request('secret', () => {
      expect(leaseIn()).toBeUndefined();
      expect(Object.keys(outgoingHeaders())).toEqual(['traceparent']);
    });
  });

  it.each([
    ['nothing', {}],
    ['half a lease', { baggage: 'lock_id=a,fencing_token=7' }],
    ['no number', { baggage: 'lock_id=a,lease_generation=7,fencing_token=0x7' }],
    ['a number below zero', { baggage: 'lock_id=a,lease_generation=7,fencing_token=-7' }],
    ['a fence that is none', { baggage: `lock_id=a,lease_generation=7,fencing_token=${2n ** 63n}` }],
    ['noise', { baggage: '%%%,;;=,lock_id', traceparent: ['a', 'b'] }],
  ])('a request with %s has no lease', (_, headers) => {
    expect(leaseIn(incomingContext(headers, ROOT_CONTEXT))).toBeUndefined();
  });

  it('several baggage headers are one', () => {
    const headers = { baggage: ['lock_id=a,lease_generation=6', 'fencing_token=7'] };
    expect(leaseIn(incomingContext(headers))).toEqual({ lockId: 'a', leaseGeneration: 6n, fencingToken: 7n });
  });
});
