import { Buffer } from 'node:buffer';
import http from 'node:http';
import https from 'node:https';
import type { Settings } from './options.js';

export interface Request {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** A request on its way. */
export interface Sent {
  readonly reply: Promise<Reply>;
  cancel(): void;
}

/** An agent lets one client have 200 connections by default (`http_max_conns_per_client`): processes share a machine. */
const commandsMax = 16;
export const watchesMax = 16;
/** Kept open for the next call. */
const idleMax = 4;
/** Answers are lists at most of all locks; more is a mistake, and would fill the memory. */
const replyBytesMax = 256 * 1024 ** 2;

/** One agent or server: two pools of connections, so that what waits is not in the way of what hurries. */
export class Endpoint {
  readonly address: string;
  readonly #settings: Settings;
  readonly #commands: http.Agent;
  readonly #watches: http.Agent;

  constructor(address: string, settings: Settings) {
    this.address = address;
    this.#settings = settings;
    const pool = (maxSockets: number) =>
      address.startsWith('https:')
        ? new https.Agent({ keepAlive: true, maxSockets, maxFreeSockets: idleMax, ...settings.tls })
        : new http.Agent({ keepAlive: true, maxSockets, maxFreeSockets: idleMax });
    this.#commands = pool(commandsMax);
    this.#watches = pool(watchesMax);
  }

  /** Its deadline is the caller's business: until it is cancelled, it waits. */
  send({ method, path, body }: Request, isWatch = false): Sent {
    const agent = isWatch ? this.#watches : this.#commands;
    const headers = this.#headers(body);
    const { request } = this.address.startsWith('https:') ? https : http;
    const sent = request(this.address + path, { method, agent, headers });
    const reply = new Promise<Reply>((resolve, reject) => {
      sent.on('error', reject);
      sent.on('response', (response) => {
        read(response).then(resolve, reject);
      });
    });
    sent.end(body);
    return { reply, cancel: () => sent.destroy() };
  }

  close(): void {
    this.#commands.destroy();
    this.#watches.destroy();
  }

  #headers(body: string | undefined): http.OutgoingHttpHeaders {
    const { token } = this.#settings;
    return {
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      ...(token === undefined ? {} : { 'x-consul-token': token }),
    };
  }
}

async function read(response: http.IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > replyBytesMax) throw new Error(`the answer has more than ${replyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') };
}
