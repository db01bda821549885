import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from '../../support/waits.js';

interface Value {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
}

interface Attribute {
  readonly key: string;
  readonly value: Value;
}

/** What OTLP says in JSON (opentelemetry-proto, `ExportTraceServiceRequest`), as far as the tests look at it. */
interface Exported {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly events: readonly { readonly name: string; readonly attributes: readonly Attribute[] }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string; readonly attributes: readonly Attribute[] }[];
  readonly status: { readonly code?: number; readonly message?: string };
}

export interface CollectedSpan extends Omit<OtlpSpan, 'attributes'> {
  readonly service: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The receiving end of OTLP/HTTP, as a collector has it: keeps all spans that are posted to `/v1/traces`. Senders say who they are in `x-service`. */
export class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly #server = http.createServer((request, response) => void this.#receive(request, response));

  static async start(): Promise<Collector> {
    const collector = new Collector();
    collector.#server.listen(0, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/traces`;
  }

  /** The one span that fits; waits for it. */
  async span(service: string, name: string, fits: (span: CollectedSpan) => boolean = () => true): Promise<CollectedSpan> {
    const found = () => this.spans.filter((span) => span.service === service && span.name === name && fits(span));
    await until(() => found().length > 0, `a span "${name}" of ${service} is exported`);
    const [span, ...others] = found();
    assert(span !== undefined && others.length === 0, `${others.length + 1} spans "${name}" of ${service}`);
    return span;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #receive(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const good =
      request.method === 'POST' && request.url === '/v1/traces' && request.headers['content-type'] === 'application/json';
    if (good) this.#keep(JSON.parse(body) as Exported, String(request.headers['x-service']));
    response.writeHead(good ? 200 : 415, { 'content-type': 'application/json' }).end('{}');
  }

  #keep({ resourceSpans }: Exported, service: string): void {
    const scopes = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans);
    for (const span of scopes.flatMap(({ spans }) => spans)) {
      this.spans.push({ ...span, service, attributes: recordOf(span.attributes) });
    }
  }
}

function recordOf(attributes: readonly Attribute[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0] as unknown]));
}
