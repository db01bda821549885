import { type Context, context, propagation, ROOT_CONTEXT, type TextMapGetter } from '@opentelemetry/api';

/** Headers as Node, Express and Fastify have them, or as `fetch` and Hono do. */
export type IncomingHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | { get(name: string): string | null; keys(): Iterable<string> };

type SentHeaders = Readonly<Record<string, string>> | Iterable<readonly [string, string]>;

/**
 * Headers of a request to another service, with the trace and the baggage of a context added through the propagators that the
 * application has registered. For clients that no instrumentation takes care of.
 *
 * @param headers those of the request itself; names of propagation headers among them are replaced
 * @param from by default that of the running callback; `tracer.contextOf(lease)` for a lease of `acquire`
 */
export function outgoingHeaders(headers: SentHeaders = {}, from: Context = context.active()): Record<string, string> {
  const entries = Symbol.iterator in headers ? headers : Object.entries(headers);
  const propagated: Record<string, string> = {};
  propagation.inject(from, propagated);
  // Names of headers know no case: of two that differ only by it, servers see both.
  const added = new Set(Object.keys(propagated).map((name) => name.toLowerCase()));
  const own = [...entries].filter(([name]) => !added.has(name.toLowerCase()));
  return { ...Object.fromEntries(own), ...propagated };
}

const getter: TextMapGetter<IncomingHeaders> = {
  keys: (headers) => (isFetched(headers) ? [...headers.keys()] : Object.keys(headers)),
  get(headers, name) {
    if (isFetched(headers)) return headers.get(name) ?? undefined;
    const value = headers[name] ?? headers[name.toLowerCase()];
    return typeof value === 'string' || value === undefined ? value : [...value];
  },
};

function isFetched(headers: IncomingHeaders): headers is Extract<IncomingHeaders, { keys(): Iterable<string> }> {
  return typeof headers['get'] === 'function';
}

/**
 * The context that an incoming request was sent in, through the propagators that the application has registered. For servers that
 * no instrumentation takes care of: `context.with(incomingContext(request.headers), work)`.
 */
export function incomingContext(headers: IncomingHeaders, base: Context = ROOT_CONTEXT): Context {
  return propagation.extract(base, headers, getter);
}
