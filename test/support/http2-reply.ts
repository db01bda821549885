import type { IsReply } from '../../src/testkit/faults/proxy.js';

/** What a connection begins with. */
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const headBytes = 9;
const data = 0;
const headers = 1;

interface Frame {
  readonly type: number;
  readonly stream: number;
}

/**
 * A reply to a request on HTTP/2: data or headers on the same stream. A server also says PING and WINDOW_UPDATE as soon as bytes have
 * come in, before it has done anything.
 */
export const isHttp2Reply: IsReply = (bytes, request) => {
  const asked = new Set(framesOf(request).flatMap(({ type, stream }) => (type === data || type === headers ? [stream] : [])));
  return framesOf(bytes).some(({ type, stream }) => (type === data || type === headers) && asked.has(stream));
};

/** RFC 9113, 4.1. Whoever writes whole frames is read in whole frames, unless they are many. */
function framesOf(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = [];
  const start = bytes.toString('latin1', 0, preface.length) === preface ? preface.length : 0;
  for (let at = start; at + headBytes <= bytes.length; at += headBytes + bytes.readUIntBE(at, 3)) {
    frames.push({ type: bytes.readUInt8(at + 3), stream: bytes.readUInt32BE(at + 5) & 0x7fffffff });
  }
  return frames;
}
