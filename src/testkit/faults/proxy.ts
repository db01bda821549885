import { once } from 'node:events';
import net from 'node:net';
import { type HeldRequest, Link, type ProxyFault } from './link.js';

/** Whether these bytes of the server answer that request: on HTTP/2 it also says things that answer nothing. */
export type IsReply = (bytes: Buffer, request: Buffer) => boolean;

interface Rule {
  readonly matches: (request: string) => boolean;
  readonly fault: ProxyFault;
  readonly met: () => void;
}

/**
 * A TCP proxy on loopback that goes wrong on purpose, between a client and a real server. Nothing of the store is
 * simulated: what the server is sent it has done, also where its reply is lost on the way.
 */
export class FaultProxy {
  /** Added to every request and every reply. */
  latencyMs = 0;
  readonly #server = net.createServer((client) => this.#accept(client));
  readonly #target: { readonly port: number; readonly host: string };
  readonly #links = new Set<Link>();
  readonly #rules: Rule[] = [];
  readonly #holds: { readonly text: string; readonly held: (request: HeldRequest) => void }[] = [];
  readonly #late = new Set<net.Socket>();
  readonly isReply: IsReply;
  #silent = false;
  #port = 0;

  private constructor(target: { readonly port: number; readonly host: string }, isReply: IsReply) {
    this.#target = target;
    this.isReply = isReply;
  }

  /** Listens on a free port of 127.0.0.1 in front of another port there, or of another host. @param isReply by default whatever comes next is one */
  static async start(targetPort: number, targetHost = '127.0.0.1', isReply: IsReply = () => true): Promise<FaultProxy> {
    const proxy = new FaultProxy({ port: targetPort, host: targetHost }, isReply);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.#port = (proxy.#server.address() as net.AddressInfo).port;
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Open connections from clients. */
  get connections(): number {
    return this.#links.size;
  }

  get silent(): boolean {
    return this.#silent;
  }

  /** Half-open from now on: connections are accepted and stay open, and nothing is forwarded in either direction. */
  silence(): void {
    this.#silent = true;
  }

  /** The end of `silence`. Connections that have lost something are reset: their streams cannot be mended. */
  speak(): void {
    this.#silent = false;
    for (const link of [...this.#links]) if (link.hasLost) link.reset();
  }

  /** Breaks every connection with a TCP reset. New ones are accepted. */
  reset(): void {
    for (const link of [...this.#links]) link.reset();
  }

  /** One fault, for the next request that contains this text. Resolves when it has happened. */
  once(text: string, fault: ProxyFault): Promise<void> {
    return new Promise((met) => this.#rules.push({ matches: (request) => request.includes(text), fault, met }));
  }

  /**
   * Stops the next request that contains this text, and keeps it: longer than its client waits, if you like. Resolves when one was
   * stopped. What is still held when the proxy is closed is lost.
   */
  hold(text: string): Promise<HeldRequest> {
    return new Promise((held) => this.#holds.push({ text, held }));
  }

  async close(): Promise<void> {
    this.reset();
    for (const socket of this.#late) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  /** The fault that is due for a request. */
  faultFor(request: string): Pick<Rule, 'fault' | 'met'> | undefined {
    const index = this.#rules.findIndex((rule) => rule.matches(request));
    return index < 0 ? undefined : this.#rules.splice(index, 1)[0];
  }

  /** Who waits for this request to be held. */
  holderOf(request: string): ((held: HeldRequest) => void) | undefined {
    const index = this.#holds.findIndex(({ text }) => request.includes(text));
    return index < 0 ? undefined : this.#holds.splice(index, 1)[0]?.held;
  }

  /** Sends bytes that outlived their connection. Resolves at the first reply. */
  deliverLate(bytes: Buffer): Promise<void> {
    const socket = net.connect(this.#target);
    this.#late.add(socket);
    return new Promise((resolve) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.destroy());
      socket.on('close', () => {
        this.#late.delete(socket);
        resolve();
      });
      socket.write(bytes);
    });
  }

  #accept(client: net.Socket): void {
    const server = net.connect(this.#target);
    this.#links.add(new Link(this, client, server, (link) => this.#links.delete(link)));
  }
}
