import { Buffer } from 'node:buffer';

/** Header names as they were written, each once; a header that is sent several times has several values. */
export type HeaderLines = readonly (readonly [name: string, value: string | readonly string[]])[];

/** What the handler said, whole. */
export interface Said {
  readonly status: number;
  readonly headers: HeaderLines;
  /** Undefined: a stream, or too large to be kept. */
  readonly body: Uint8Array | undefined;
}

/** The same as it lies in a record, without what is of one transmission only. */
export interface KeptAnswer {
  readonly [part: string]: number | readonly (readonly (string | readonly string[])[])[] | Uint8Array | null;
  readonly status: number;
  readonly headers: readonly (readonly [string, string | readonly string[]])[];
  /** Null: the tombstone of a body that was not kept. */
  readonly body: Uint8Array | null;
}

/** Whether a value in a record is one of ours: a transaction of the handler's or a reconciler may have put another there. */
export function isKeptAnswer(value: unknown): value is KeptAnswer {
  if (typeof value !== 'object' || value === null) return false;
  const { status, headers, body } = value as Partial<KeptAnswer>;
  return Number.isInteger(status) && Array.isArray(headers) && (body === null || body instanceof Uint8Array);
}

/**
 * An answer as it lies in a record, for whoever writes one without sending it: `turn.completeIn(tx, httpAnswer(201, order))`, or a reconciler. The handler
 * must then answer the same.
 *
 * @param content bytes or text as they are; anything else as JSON
 */
export function httpAnswer(status: number, content?: unknown, headers: Readonly<Record<string, string>> = {}): KeptAnswer {
  const isJson = content !== undefined && typeof content !== 'string' && !(content instanceof Uint8Array);
  const lines = Object.entries({ ...(isJson ? { 'Content-Type': 'application/json; charset=utf-8' } : {}), ...headers });
  if (content instanceof Uint8Array) return { status, headers: lines, body: content };
  const text = typeof content === 'string' ? content : content === undefined ? '' : JSON.stringify(content);
  return { status, headers: lines, body: Buffer.from(text) };
}

/** Of a connection or of a moment (RFC 9110, 7.6.1), and cookies, which are secrets of whoever asked first. */
const neverKept = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'date',
  'set-cookie',
  'set-cookie2',
];

/**
 * What is kept of an answer. Headers that stood there before the handler began are left out: whoever set them sets them again, for the
 * request of that moment.
 */
export function kept(said: Said, before: HeaderLines, omit: readonly string[]): KeptAnswer {
  const earlier = new Map(before.map(([name, value]) => [name.toLowerCase(), String(value)]));
  const left = new Set([...neverKept, ...omit.map((name) => name.toLowerCase())]);
  const headers = said.headers.filter(([name, value]) => {
    const lower = name.toLowerCase();
    return !left.has(lower) && earlier.get(lower) !== String(value);
  });
  return { status: said.status, headers, body: said.body ?? null };
}

/** `final`: it stands, and is replayed. `unknown`: nobody knows what was done, or nothing was and another try may do better. */
export type Finality = 'completed' | 'failed' | 'unknown';

/** Says that whoever asks again, later or as somebody else, may be answered differently; none of them tells what the request led to. */
const askAgain = new Set([401, 408, 423, 425, 429]);

/** Below 400 completed, other 4xx failed for good; 5xx unknown. */
export function finalityOf(status: number): Finality {
  if (status >= 500 || askAgain.has(status)) return 'unknown';
  return status >= 400 ? 'failed' : 'completed';
}
