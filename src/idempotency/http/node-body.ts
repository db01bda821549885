import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { InvalidArgumentError } from '../../core/errors.js';

/** Reads a stream to its end. Undefined as soon as it is longer than `bytesMax`; what is left of it then stays unread. */
export async function readAll(stream: Readable, bytesMax: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).byteLength;
    if (bytes > bytesMax) return undefined;
  }
  return Buffer.concat(chunks);
}

/**
 * Reads the whole body of a request and puts it back, so that a parser after it finds it as if nobody had read. Undefined if it is longer than `bytesMax`.
 * Node allows `unshift` until `end` was emitted, and that is not before everything was read.
 *
 * @throws InvalidArgumentError somebody has read it before
 */
export function readAndPutBack(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  if (request.readableDidRead || request.readableEnded) {
    throw new InvalidArgumentError(
      'the body of the request was read before, and its bytes are gone: give the parser { verify: keepRawBody }, or mount the idempotency middleware in front of it',
    );
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const done = (end: () => void): void => {
      request.off('readable', read);
      request.off('error', failed);
      request.off('close', closed);
      end();
    };
    const failed = (error: unknown): void => done(() => reject(error));
    const closed = (): void => failed(new Error('the client left before it had sent the whole request'));
    const read = (): void => {
      for (let chunk = request.read(); chunk !== null; chunk = request.read()) {
        chunks.push(chunk);
        bytes += chunk.byteLength;
      }
      // The rest is read into nothing: a client that first sends everything hears the answer, and the connection can go on.
      if (bytes > bytesMax) return done(() => resolve(void request.resume()));
      if (!request.complete) return;
      const whole = Buffer.concat(chunks);
      if (bytes > 0) request.unshift(whole);
      done(() => resolve(whole));
    };
    request.on('readable', read);
    request.on('error', failed);
    request.on('close', closed);
  });
}

/** Whether the request announces a body (RFC 9112, 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
