import { InvalidArgumentError } from '../../core/errors.js';
import type { Idempotent } from '../idempotent.js';
import type { Turn } from '../turn.js';
import type { HeaderLines, Said } from './answer.js';
import { Engine } from './engine.js';
import { firstBytes, rest } from './fetch-body.js';
import type { HttpIdempotencyOptions } from './options.js';
import { abandoned, merged, partsOf } from './sending.js';
import { rememberAside } from './turns.js';

export { httpAnswer } from './answer.js';
export { turnOf } from './turns.js';
export type { HttpIdempotencyOptions };

/** What is used of Hono's context. */
export interface HonoContextLike {
  readonly req: { readonly raw: Request; readonly bodyCache: object; arrayBuffer(): Promise<ArrayBuffer> };
  get res(): Response;
  set res(response: Response | undefined);
  set(key: 'idempotency', turn: Turn): void;
}

/** For Hono's type of the context: `new Hono<{ Variables: IdempotencyVariables }>()`. */
export interface IdempotencyVariables {
  idempotency?: Turn;
}

/**
 * Middleware for Hono that executes a request once, and replays its answer to whoever asks again under the same key. Nothing is sent before the outcome is in
 * the store.
 *
 * @throws InvalidArgumentError
 */
export function honoIdempotency<Context extends HonoContextLike = HonoContextLike>(
  idempotent: Idempotent,
  options: HttpIdempotencyOptions<Context> = {},
): (context: Context, next: () => Promise<void>) => Promise<void> {
  const engine = new Engine(idempotent, options);
  const { requestBytesMax, bodyBytesMax, abandonedMs } = engine.options;
  return async (context, next) => {
    const { raw } = context.req;
    const { pathname, search } = new URL(raw.url);
    const before = linesOf(context.res.headers);
    const exchange = {
      request: context,
      method: raw.method,
      target: pathname + search,
      header: (name: string) => raw.headers.get(name) ?? undefined,
      body: () => bodyOf(context, requestBytesMax),
      before: () => before,
      handle: async (turn: Turn) => {
        rememberAside(context, turn);
        context.set('idempotency', turn);
        const answered = next().then(() => heard(context, bodyBytesMax));
        return unlessAbandoned(answered, raw.signal, abandonedMs);
      },
    };
    const reply = await engine.admit(exchange);
    if (reply.kind === 'pass') return next();
    if (reply.kind === 'said') return;
    const { status, headers, body } = partsOf(reply);
    answer(
      context,
      new Response(nullBody.has(status) ? null : new Uint8Array(body), { status, headers: headersOf(merged(before, headers)) }),
    );
  };
}

/** Statuses with which a Response must have no body. */
const nullBody = new Set([101, 204, 205, 304]);

/** Of a copy: the handler reads its own. Undefined: longer than `bytesMax`. @throws InvalidArgumentError */
async function bodyOf({ req }: HonoContextLike, bytesMax: number): Promise<Uint8Array | undefined> {
  const { raw, bodyCache } = req;
  if (raw.body === null) return new Uint8Array();
  if (!raw.bodyUsed) return (await firstBytes(raw.clone().body, bytesMax)).whole;
  // Hono keeps what a validation in front has read, but of a form only the fields.
  if (['text', 'json', 'arrayBuffer', 'blob'].some((kind) => kind in bodyCache)) return new Uint8Array(await req.arrayBuffer());
  throw new InvalidArgumentError(
    'the body of the request was read before, and its bytes are gone: mount the idempotency middleware in front of what reads forms or c.req.raw',
  );
}

/** Rejects if the client has left and nothing was said for so long. */
function unlessAbandoned<T>(work: Promise<T>, signal: AbortSignal, abandonedMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const left = (): void => {
      timer = setTimeout(() => reject(abandoned(abandonedMs)), abandonedMs);
    };
    if (signal.aborted) left();
    else signal.addEventListener('abort', left, { once: true });
    const over = (): void => {
      signal.removeEventListener('abort', left);
      clearTimeout(timer);
    };
    work.finally(over).then(resolve, reject);
  });
}

/** What the handler said, and again as a response that can be sent. */
async function heard(context: HonoContextLike, bytesMax: number): Promise<Said> {
  const response = context.res;
  const { status, headers } = response;
  const said = { status, headers: linesOf(headers) };
  if (response.body === null) return { ...said, body: new Uint8Array() };
  if (headers.get('content-type')?.startsWith('text/event-stream')) return { ...said, body: undefined };
  const begun = await firstBytes(response.body, bytesMax);
  answer(context, new Response(begun.whole ?? rest(begun), response));
  return { ...said, body: begun.whole };
}

/** In place of what is there: Hono would mix the headers of both. */
function answer(context: HonoContextLike, response: Response): void {
  context.res = undefined;
  context.res = response;
}

function linesOf(headers: Headers): HeaderLines {
  const cookies = headers.getSetCookie();
  const lines = [...headers].filter(([name]) => name !== 'set-cookie');
  return cookies.length === 0 ? lines : [...lines, ['set-cookie', cookies]];
}

function headersOf(lines: HeaderLines): Headers {
  const headers = new Headers();
  for (const [name, value] of lines) for (const one of [value].flat()) headers.append(name, one);
  return headers;
}
