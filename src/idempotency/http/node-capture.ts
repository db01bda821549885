import { Buffer } from 'node:buffer';
import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import process from 'node:process';
import type { HeaderLines, Said } from './answer.js';
import { Curtain } from './node-curtain.js';

type Chunk = string | Uint8Array;
type Written = (error?: Error | null) => void;
/** Methods of a response with all their overloads. */
type Method<T> = (...args: readonly unknown[]) => T;
interface Out {
  readonly writeHead: Method<ServerResponse>;
  readonly write: Method<boolean>;
  readonly end: Method<ServerResponse>;
  readonly flushHeaders: Method<void>;
  readonly destroy: Method<ServerResponse>;
}

/**
 * Keeps back what a handler writes to a response of Node, by whatever way it is written (`end`, `pipe`, `writeHead`, a framework's helpers), until it is known what
 * may leave. What lies outside of it, a compressing middleware say, sees the answer when it is let out; what lies inside was seen already.
 *
 * A stream is not kept back whole: at `flushHeaders`, for server-sent events, and once there is more than `bytesMax`, the answer counts as
 * said, with no body, and the writer is held until `release`.
 */
export class NodeCapture {
  readonly #response: ServerResponse;
  readonly #bytesMax: number;
  readonly #say: (said: Said) => void;
  readonly #fail: (cause: unknown) => void;
  readonly #curtain: Curtain;
  /** What was there before: Node's own methods, or those of a middleware outside. */
  readonly #out: Out;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #head: { readonly status: number; readonly message: string; readonly headers: HeaderLines } | undefined;
  #streaming = false;
  #ended = false;
  #destroyed = false;
  #mode: 'capture' | 'through' | 'drop' = 'capture';

  /**
   * @param say called once, when the answer is whole or known to be a stream
   * @param fail called instead, if the handler destroys the response before that
   */
  constructor(response: ServerResponse, bytesMax: number, say: (said: Said) => void, fail: (cause: unknown) => void) {
    this.#response = response;
    this.#bytesMax = bytesMax;
    this.#say = say;
    this.#fail = fail;
    const { writeHead, write, end, flushHeaders, destroy } = response;
    this.#out = { writeHead, write, end, flushHeaders, destroy } as unknown as Out;
    response.writeHead = this.#writeHead as ServerResponse['writeHead'];
    response.write = this.#write as ServerResponse['write'];
    response.end = this.#end as ServerResponse['end'];
    response.flushHeaders = () => this.#flushHeaders();
    response.destroy = this.#destroy as ServerResponse['destroy'];
    this.#curtain = new Curtain(response);
  }

  /** Lets out what was said, and what is still to come of a stream. */
  release(): void {
    const head = this.#head;
    if (head === undefined) return this.#open('through');
    this.#curtain.lift();
    setHeaders(this.#response, head.headers);
    this.#response.statusCode = head.status;
    this.#response.statusMessage = head.message;
    if (!this.#streaming) this.#setLength(head.status, this.#bytes);
    this.#mode = 'through';
    this.#let();
    this.#curtain.raise();
    if (this.#destroyed) this.#response.destroy();
  }

  /** Of a whole answer the length is known, also where somebody took the header out because it was not. */
  #setLength(status: number, bytes: number): void {
    const { req } = this.#response;
    const isBodiless = req.method === 'HEAD' || status < 200 || status === 204 || status === 304;
    // With trailers it must go in chunks.
    const isTold = this.#response.hasHeader('Content-Length') || this.#response.hasHeader('Trailer');
    if (!isBodiless && !isTold) this.#response.setHeader('Content-Length', bytes);
  }

  /** What was said is forgotten, and what still comes is dropped: the response is as it was before, for somebody else to answer. */
  discard(before: HeaderLines): void {
    this.#chunks = [];
    this.#open('drop');
    setHeaders(this.#response, before);
    this.#response.statusMessage = '';
    // A writer that was held back may go on, into nothing.
    process.nextTick(() => this.#response.emit('drain'));
  }

  /** As it was before, too, and whoever answers next is heard: an error handler. */
  handOver(before: HeaderLines): void {
    this.#chunks = [];
    this.#open('through');
    setHeaders(this.#response, before);
    this.#response.statusMessage = '';
    this.#curtain.raise();
  }

  /** Answers in the handler's place, past whatever it still writes. */
  answer(body: Uint8Array): void {
    // Ending it writes the head by the method that is on top, which is or leads to ours.
    this.#mode = 'through';
    this.#setLength(this.#response.statusCode, body.byteLength);
    this.#out.end.call(this.#response, body);
    this.#mode = 'drop';
    this.#curtain.raise();
  }

  #open(mode: 'through' | 'drop'): void {
    this.#curtain.lift();
    this.#mode = mode;
  }

  #let(): void {
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    if (this.#ended) this.#out.end.call(this.#response, body);
    else {
      if (body.byteLength > 0) this.#out.write.call(this.#response, body);
      else this.#out.flushHeaders.call(this.#response);
      // The writer was held back.
      process.nextTick(() => this.#response.emit('drain'));
    }
  }

  readonly #writeHead = (status: number, ...rest: readonly unknown[]): ServerResponse => {
    const response = this.#response;
    if (this.#mode === 'drop') return response;
    if (this.#mode === 'through') {
      return this.#out.writeHead.call(response, status, ...rest);
    }
    if (this.#head !== undefined) return response;
    response.statusCode = status;
    if (typeof rest[0] === 'string') response.statusMessage = rest[0];
    const headers = typeof rest[0] === 'string' ? rest[1] : (rest[0] ?? rest[1]);
    addHeaders(response, headers as OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined);
    this.#head = { status, message: response.statusMessage, headers: linesOf(response) };
    this.#curtain.headSaid();
    return response;
  };

  readonly #write = (chunk: Chunk, encoding?: BufferEncoding | Written, written?: Written): boolean => {
    if (this.#mode === 'drop') return true;
    if (this.#mode === 'through') {
      return this.#out.write.call(this.#response, chunk, encoding, written);
    }
    this.#take(chunk, encoding);
    const done = typeof encoding === 'function' ? encoding : written;
    if (done !== undefined) process.nextTick(done);
    return !this.#streaming;
  };

  readonly #end = (chunk?: Chunk | Written | null, encoding?: BufferEncoding | Written, ended?: Written): ServerResponse => {
    const response = this.#response;
    if (this.#mode === 'drop') return response;
    if (this.#mode === 'through') {
      return this.#out.end.call(response, chunk, encoding, ended);
    }
    if (this.#ended) return response;
    const done = [chunk, encoding, ended].find((each) => typeof each === 'function') as Written | undefined;
    if (done !== undefined) response.once('finish', done);
    this.#take(typeof chunk === 'function' ? undefined : chunk, encoding);
    this.#ended = true;
    this.#curtain.endSaid();
    if (!this.#streaming) this.#sayIt(Buffer.concat(this.#chunks));
    return response;
  };

  /** `pipeline` does so when its source fails. The client is not there to be cut off: it is told by whoever answers, or when the stream is let out. */
  readonly #destroy = (cause?: Error): ServerResponse => {
    if (this.#mode === 'through') return this.#out.destroy.call(this.#response, cause);
    if (this.#mode === 'drop' || (this.#ended && !this.#streaming)) return this.#response;
    this.#curtain.destroySaid();
    this.#destroyed = true;
    if (!this.#streaming) this.#fail(cause);
    return this.#response;
  };

  #flushHeaders(): void {
    if (this.#mode === 'through') return this.#out.flushHeaders.call(this.#response);
    if (this.#mode === 'drop') return;
    this.#needHead();
    this.#stream();
  }

  #take(chunk: Chunk | null | undefined, encoding: BufferEncoding | Written | undefined): void {
    this.#needHead();
    if (chunk === undefined || chunk === null || this.#ended) return;
    // A copy: who wrote it may use the memory again.
    const bytes = Buffer.from(chunk as string, typeof encoding === 'string' ? encoding : undefined);
    this.#chunks.push(bytes);
    this.#bytes += bytes.byteLength;
    if (this.#bytes > this.#bytesMax || isEventStream(this.#head?.headers)) this.#stream();
  }

  /** By the method that is on top now: a middleware inside sets headers in its own. */
  #needHead(): void {
    if (this.#head === undefined) this.#response.writeHead(this.#response.statusCode);
  }

  #stream(): void {
    if (this.#streaming) return;
    this.#streaming = true;
    this.#sayIt(undefined);
  }

  #sayIt(body: Uint8Array | undefined): void {
    const { status, headers } = this.#head ?? { status: this.#response.statusCode, headers: [] };
    this.#say({ status, headers, body });
  }
}

/** All headers of a response, as they were written. */
export function linesOf(response: ServerResponse): HeaderLines {
  // `getRawHeaderNames` is there since Node 15.4, and missing in its types.
  const { getRawHeaderNames } = response as ServerResponse & { getRawHeaderNames(): string[] };
  return getRawHeaderNames.call(response).map((name) => [name, textsOf(response.getHeader(name))]);
}

function textsOf(value: OutgoingHttpHeader | undefined): string | readonly string[] {
  return Array.isArray(value) ? value.map(String) : String(value);
}

/** Exactly these, in place of those that stand there. */
export function setHeaders(response: ServerResponse, lines: HeaderLines): void {
  if (response.headersSent) return;
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  for (const [name, value] of lines) response.setHeader(name, value as string | string[]);
}

/** As `writeHead` has them: an object, or names and values by turns. */
function addHeaders(response: ServerResponse, headers: OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined): void {
  if (headers === undefined || headers === null) return;
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
    return;
  }
  const flat = headers.flat();
  for (let at = 0; at < flat.length; at += 2) response.removeHeader(String(flat[at]));
  for (let at = 0; at + 1 < flat.length; at += 2) response.appendHeader(String(flat[at]), String(flat[at + 1]));
}

function isEventStream(headers: HeaderLines | undefined): boolean {
  const type = headers?.find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  return type !== undefined && /^text\/event-stream\b/i.test(String(type));
}
