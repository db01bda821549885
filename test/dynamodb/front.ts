import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';

/** What happens to one request. */
export type Fault =
  /** The server does it; the connection is cut instead of an answer. */
  | 'lose-reply'
  /** The server does it; the answer is a 500, after which the SDK sends it again. */
  | 'fail-after'
  /** The server never sees it. */
  | { readonly refuse: string; readonly status?: number }
  /** The server sees it when this resolves; the client is told at once that it failed. */
  | { readonly late: Promise<void>; readonly arrived: () => void }
  /** The server sees it, and the client its answer, when this resolves. */
  | { readonly hold: Promise<void> }
  /** The server sees it at once, and the client its answer when this resolves. */
  | { readonly reply: Promise<void> };

/** A promise, and what resolves it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

interface Rule {
  readonly operation: string;
  readonly fault: Fault;
  times: number;
  readonly met: () => void;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A server before the real one, which goes wrong where it is told to, request by request. */
export class Front {
  /** Operations in the order in which they came. */
  readonly log: string[] = [];
  readonly #server = http.createServer((request, response) => void this.#serve(request, response));
  readonly #rules: Rule[] = [];
  readonly #targetPort: number;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  static async start(targetPort: number): Promise<Front> {
    const front = new Front(targetPort);
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** For the next requests of this operation. Resolves when the last of them was met. */
  next(operation: string, fault: Fault, times = 1): Promise<void> {
    return new Promise((met) => this.#rules.push({ operation, fault, times, met }));
  }

  /** The end of all faults. */
  heal(): void {
    this.#rules.length = 0;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    request.on('error', () => {});
    response.on('error', () => {});
    const operation = String(request.headers['x-amz-target']).replace(/^.*\./, '');
    this.log.push(operation);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const send = () => this.#send(request, Buffer.concat(chunks));
    const fault = this.#due(operation);
    try {
      await this.#answer(fault, send, response);
    } catch {
      response.destroy();
    }
  }

  async #answer(fault: Fault | undefined, send: () => Promise<Answer>, response: http.ServerResponse): Promise<void> {
    if (fault === 'lose-reply') {
      await send();
      response.destroy();
    } else if (fault === 'fail-after') {
      await send();
      say(response, 500, 'InternalServerError');
    } else if (fault === undefined) {
      reply(response, await send());
    } else if ('refuse' in fault) {
      say(response, fault.status ?? 400, fault.refuse);
    } else if ('reply' in fault) {
      const answer = await send();
      await fault.reply;
      reply(response, answer);
    } else if ('hold' in fault) {
      await fault.hold;
      reply(response, await send());
    } else {
      say(response, 500, 'InternalServerError');
      await fault.late;
      await send();
      fault.arrived();
    }
  }

  #due(operation: string): Fault | undefined {
    const index = this.#rules.findIndex((rule) => rule.operation === operation);
    const rule = this.#rules[index];
    if (rule === undefined) return undefined;
    rule.times -= 1;
    if (rule.times <= 0) {
      this.#rules.splice(index, 1);
      rule.met();
    }
    return rule.fault;
  }

  #send(request: http.IncomingMessage, body: Buffer): Promise<Answer> {
    const { method, headers, url } = request;
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.#targetPort, method, headers, path: url };
      const upstream = http.request(options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
        answer.on('error', reject);
      });
      upstream.on('error', reject);
      upstream.end(body);
    });
  }
}

function reply(response: http.ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers);
  response.end(body);
}

function say(response: http.ServerResponse, status: number, type: string): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' });
  response.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, message: `as the test wants it: ${type}` }));
}
