import { TraceFlags, trace } from '@opentelemetry/api';
import { BasicTracerProvider, type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leaseIn, openTelemetryTracer } from '../../src/telemetry/opentelemetry/index.js';
import { instances } from '../core/instances.js';
import { Recording } from './traces/recording.js';

const name = 'order:7';
let recording: Recording;
beforeAll(() => {
  recording = new Recording();
});
afterAll(() => recording.stop());

describe('a request that is not sampled', () => {
  it('has one span, which nobody records; the lease goes along all the same', async () => {
    const asked: string[] = [];
    const sampler: Sampler = {
      shouldSample(_context, _traceId, spanName) {
        asked.push(spanName);
        return { decision: SamplingDecision.NOT_RECORD };
      },
    };
    const tracer = openTelemetryTracer({ tracerProvider: new BasicTracerProvider({ sampler }) });
    const { locks, records } = instances({}, { tracer });
    const [fence, inside, carried, [record]] = await locks.request(name, (lease) => {
      return [lease.fence, trace.getActiveSpan()?.spanContext(), leaseIn(), records()] as const;
    });
    expect(asked).toEqual(['lock']);
    expect(carried).toMatchObject({ lockId: name, fencingToken: fence });
    // Whoever continues the trace does not sample it either.
    expect(inside?.traceFlags).toBe(TraceFlags.NONE);
    // Nobody could follow a link to it.
    expect(record?.metadata).toEqual({});
  });
});
