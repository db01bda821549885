import type { IncomingMessage, ServerResponse } from 'node:http';
import { OutcomeUnknownError } from '../../core/errors.js';
import type { Turn } from '../turn.js';
import type { HeaderLines, Said } from './answer.js';
import type { Engine, Exchange, Reply } from './engine.js';
import { linesOf, NodeCapture } from './node-capture.js';
import { abandoned, merged, partsOf } from './sending.js';

/** What differs between frameworks on Node's own responses. */
export interface NodeAdapter<Request> {
  readonly request: Request;
  /** Node's own. */
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: string;
  body(): Promise<Uint8Array | undefined>;
  /** Headers that the framework will add to those of the response. */
  pending?(): HeaderLines;
  /** Before something other than the handler's words is sent: the framework must not answer any more. */
  takeOver?(): void;
  /** Lets the handler run. Its answer is seen on the response. */
  next(turn: Turn | undefined): void;
}

/** From a request to what is sent, on a response of Node. @throws what `Engine.admit` throws: then nothing was sent */
export async function exchange<Request extends object>(engine: Engine<Request>, adapter: NodeAdapter<Request>): Promise<void> {
  const { request, incoming, response, target } = adapter;
  const before = () => merged(linesOf(response), adapter.pending?.() ?? []);
  let capture: NodeCapture | undefined;
  let headersBefore: HeaderLines = [];
  const one: Exchange<Request> = {
    request,
    method: incoming.method ?? '',
    target,
    header: (name) => headerOf(incoming, name),
    body: () => adapter.body(),
    before: () => {
      headersBefore = before();
      return headersBefore;
    },
    handle: (turn) =>
      handled(incoming, engine.options.abandonedMs, (say, fail) => {
        capture = new NodeCapture(response, engine.options.bodyBytesMax, say, fail);
        adapter.next(turn);
      }),
  };
  const reply = await engine.admit(one).catch((error: unknown) => {
    capture?.handOver(headersBefore);
    throw error;
  });
  if (reply.kind === 'pass') return adapter.next(undefined);
  if (reply.kind === 'said') return capture?.release();
  if (capture === undefined) headersBefore = before();
  adapter.takeOver?.();
  send(response, headersBefore, reply, capture);
}

/** Resolves with what is said; rejects if the handler gives it up, or if the client has left and nothing was said for so long. */
function handled(
  incoming: IncomingMessage,
  abandonedMs: number,
  begin: (say: (said: Said) => void, fail: (cause: unknown) => void) => void,
): Promise<Said> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const { socket } = incoming;
    const left = (): void => {
      timer = setTimeout(() => reject(abandoned(abandonedMs)), abandonedMs);
    };
    if (socket.destroyed) left();
    else socket.once('close', left);
    const over = (): void => {
      socket.off('close', left);
      clearTimeout(timer);
    };
    begin(
      (said) => {
        over();
        resolve(said);
      },
      (cause) => {
        over();
        reject(new OutcomeUnknownError('the handler destroyed its response before it had answered: answer always', { cause }));
      },
    );
  });
}

/** Sends something other than the handler's words. */
export function send(
  response: ServerResponse,
  before: HeaderLines,
  reply: Extract<Reply, { kind: 'problem' | 'replay' }>,
  capture: NodeCapture | undefined,
): void {
  capture?.discard(before);
  if (response.headersSent || response.destroyed) return;
  const { status, headers, body } = partsOf(reply);
  response.statusCode = status;
  for (const [name, value] of merged(before, headers)) response.setHeader(name, value as string | string[]);
  if (capture === undefined) response.end(body);
  else capture.answer(body);
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  return Array.isArray(value) ? value.join(', ') : value;
}
