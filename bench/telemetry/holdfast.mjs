import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { Holdfast } from 'holdfast';
import { redis } from 'holdfast/redis';
import { log } from 'holdfast/telemetry/log';
import { openTelemetryMetrics, openTelemetryTracer } from 'holdfast/telemetry/opentelemetry';
import { prometheusMetrics } from 'holdfast/telemetry/prometheus';
import { Registry } from 'prom-client';
import { connectIoredis } from '../redis/clients.mjs';
import { byHand } from './by-hand.mjs';
import { oneInAHundred, providerOf, toNowhere } from './sinks.mjs';
import { switchable } from './switchable.mjs';

const ttlMs = 6_000;
const groupOf = (name) => name.slice(0, 5);

/** Without a reader, the SDK keeps nothing, and measures nothing. */
class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

const listeners = {
  prometheus: () => prometheusMetrics({ register: new Registry(), groupOf }),
  opentelemetry: () => openTelemetryMetrics({ meterProvider: new MeterProvider({ readers: [new Reader()] }), groupOf }),
  log: () => log(toNowhere()),
  'log-turns': () => log(toNowhere(), { levels: { granted: 'info', released: 'info' } }),
};

/** An instance for each kind of listener, on one connection. */
export async function open(port) {
  const client = await connectIoredis(port);
  const backend = redis(client);
  const providers = { traces: providerOf(), 'traces-sampled': providerOf(oneInAHundred()) };
  const plain = new Holdfast(backend, { ttlMs });
  const traced = mapped(
    providers,
    (tracerProvider) => new Holdfast(backend, { ttlMs, tracer: openTelemetryTracer({ tracerProvider }) }),
  );
  const follow = (locks, beside = () => {}) => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    // From its first use on, Node follows every promise.
    context.with(ROOT_CONTEXT, () => {});
    return { locks, beside, stop: () => context.disable() };
  };
  const switches = mapped(listeners, switchable);
  const hands = mapped(byHand, (make) => make());
  const listen = (key) => {
    switches[key]?.on();
    return { locks: plain, beside: hands[key] ?? (() => {}), stop: () => switches[key]?.off() };
  };
  return {
    /** `beside` is called once under each lock. */
    listen(key) {
      if (key in traced) return follow(traced[key]);
      if (key === 'context') return follow(plain);
      return key === 'spans' ? follow(plain, hands.spans) : listen(key);
    },
    async close() {
      for (const locks of [plain, ...Object.values(traced)]) await locks.close();
      for (const provider of Object.values(providers)) await provider.shutdown();
      client.disconnect();
    },
  };
}

function mapped(record, make) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value)]));
}
