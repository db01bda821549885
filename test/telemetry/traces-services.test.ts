import assert from 'node:assert/strict';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { Processes, type Worker } from '../support/processes.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { type CollectedSpan, Collector } from './traces/collector.js';

const parts = ['core', 'backends/redis', 'telemetry/opentelemetry/traces'];
const errorStatus = 2;

/** Says `line` next, or after others that are none of our business here. */
async function heard(worker: Worker, line: string): Promise<Record<string, unknown>> {
  for (;;) {
    const said = await worker.next();
    if (line in said) return said;
    assert(!('error' in said) || line === 'error', JSON.stringify(said));
  }
}

function isChild(span: CollectedSpan, parent: CollectedSpan): void {
  expect([span.traceId, span.parentSpanId], `"${span.name}" below "${parent.name}"`).toEqual([parent.traceId, parent.spanId]);
}

function linksOf({ links }: CollectedSpan): readonly string[] {
  return links.map(({ traceId, spanId }) => `${traceId}/${spanId}`);
}

function idOf({ traceId, spanId }: CollectedSpan): string {
  return `${traceId}/${spanId}`;
}

describe.skipIf(redisIsMissing)('two services that hand a lock over', () => {
  const processes = new Processes(parts, new URL('traces/worker.mjs', import.meta.url));
  let server: RedisServer;
  let proxy: FaultProxy;
  let collector: Collector;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    proxy = await FaultProxy.start(server.port);
    collector = await Collector.start();
  });
  afterEach(async () => {
    collector.stop();
    await proxy.close();
  });

  /** The first one reaches Redis through the proxy. */
  async function services() {
    const start = (name: string, port: number) => processes.start([name, `redis://127.0.0.1:${port}`, collector.url]);
    const [billing, shipping] = [start('billing', proxy.port), start('shipping', server.port)];
    const { port } = await heard(shipping, 'port');
    await heard(billing, 'port');
    return { billing, shipping, shippingPort: String(port) };
  }

  it('export spans, links from the next holder to the one before, and baggage between them', async () => {
    const { billing, shipping, shippingPort } = await services();
    billing.say(`lock order:7 ${shippingPort}`);
    const { granted: fence, told } = await heard(billing, 'granted');
    shipping.say('lock order:7');
    await heard(shipping, 'waiting');
    // The next that is said of this name is a renewal.
    await proxy.once('order:7', 'swallow-replies');
    await heard(billing, 'renewal-failed');
    proxy.reset();
    await heard(billing, 'renewed');
    billing.say('go');
    await heard(billing, 'done');
    const { granted: nextFence } = await heard(shipping, 'granted');
    shipping.say('go');
    await heard(shipping, 'done');

    const [first, next] = [await spansOf('billing'), await spansOf('shipping')];
    for (const spans of [first, next]) {
      isChild(spans.lock, spans.work);
      for (const part of [spans.wait, spans.hold, spans.release]) isChild(part, spans.lock);
    }
    isChild(await collector.span('billing', 'lock renewal failed', ({ status }) => status.code === errorStatus), first.hold);
    expect(first.lock.traceId).not.toBe(next.lock.traceId);
    for (const span of [first.lock, first.wait, first.hold]) expect(linksOf(span), span.name).toEqual([]);
    for (const span of [next.wait, next.hold]) expect(linksOf(span), span.name).toEqual([idOf(first.lock)]);
    expect(first.hold.attributes['holdfast.fencing_token']).toBe(fence);
    expect(next.hold.attributes['holdfast.fencing_token']).toBe(nextFence);
    expect(first.release.attributes['holdfast.release']).toBe('released');

    // The request that the first holder sent: what its receiver read, and where its span belongs.
    const leaseGeneration = first.hold.attributes['holdfast.lease_generation'];
    expect(told).toEqual({ lockId: 'order:7', leaseGeneration, fencingToken: fence });
    isChild(await collector.span('shipping', 'serve'), first.hold);
  });

  it('show a theft on both sides', async () => {
    const { billing, shipping } = await services();
    billing.say('lock order:8');
    await heard(billing, 'granted');
    shipping.say('steal order:8');
    await heard(shipping, 'granted');
    expect(await heard(billing, 'error')).toEqual({ error: 'AbortError', loss: 'stolen' });
    billing.say('go');
    shipping.say('go');
    await heard(shipping, 'done');
    const hold = await collector.span('billing', 'lock hold');
    expect(hold.attributes['holdfast.loss']).toBe('stolen');
    expect(hold.status.code).toBe(errorStatus);
    const lock = await collector.span('billing', 'lock');
    const thief = await collector.span('shipping', 'lock hold');
    expect(linksOf(thief)).toEqual([idOf(lock)]);
    expect(thief.links[0]?.attributes).toEqual([{ key: 'holdfast.came_after', value: { stringValue: 'stole' } }]);
  });

  async function spansOf(service: string) {
    const span = (name: string) => collector.span(service, name);
    return {
      work: await span(`work of ${service}`),
      lock: await span('lock'),
      wait: await span('lock wait'),
      hold: await span('lock hold'),
      release: await span('lock release'),
    };
  }
});
