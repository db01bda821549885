// A service in a process of its own: `worker.mjs <its name> <URL of Redis> <URL of the collector>`. It answers HTTP requests with the lease that
// they carry, and obeys words on standard input: locks, and calls another service inside. Says what happens in lines of JSON.
import http from 'node:http';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { redisFromUrl } from './src/backends/redis/index.js';
import { Holdfast } from './src/core/holdfast.js';
import { incomingContext, leaseIn, openTelemetryTracer, outgoingHeaders } from './src/telemetry/opentelemetry/traces/index.js';

const [service, redisUrl, collectorUrl] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const exporter = new OTLPTraceExporter({ url: collectorUrl, headers: { 'x-service': service } });
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(
  new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
);
const application = trace.getTracer('application');

/** Two halves of a request's context: the trace that it belongs to, and the lease that it was sent under. */
const server = http.createServer((request, response) => {
  const incoming = incomingContext(request.headers);
  const lease = leaseIn(incoming);
  application.startSpan('serve', {}, incoming).end();
  const fields = Object.entries(lease ?? {}).map(([key, value]) => [key, String(value)]);
  response.end(JSON.stringify(Object.fromEntries(fields)));
});
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));

const locks = new Holdfast(await redisFromUrl(redisUrl), { ttlMs: 6_000, tracer: openTelemetryTracer() });
for (const type of ['waiting', 'renewal-failed', 'renewed']) locks.on(type, () => say({ [type]: true }));

let goOn = () => undefined;

/** A request of the application under the lock; goes on until it is told so. */
async function lock(name, options, otherPort) {
  await application.startActiveSpan(`work of ${service}`, async (span) => {
    try {
      await locks.request(name, options, async (lease) => {
        const told = otherPort === undefined ? undefined : await call(otherPort);
        const more = new Promise((resolve) => {
          goOn = resolve;
        });
        say({ granted: String(lease.fence), told });
        await more;
      });
      say({ done: true });
    } catch (error) {
      say({ error: error.name, loss: error.cause?.loss });
    } finally {
      span.end();
    }
  });
}

async function call(port) {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: outgoingHeaders() });
  return response.json();
}

const words = {
  lock: (name, port) => lock(name, {}, port),
  steal: (name) => lock(name, { steal: true }),
  go: () => goOn(),
};
createInterface(process.stdin).on('line', (line) => {
  const [word, ...rest] = line.split(' ');
  void words[word](...rest);
});
