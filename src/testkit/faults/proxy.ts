import { once } from 'node:events';
import net from 'node:net';
import { Link, type ProxyFault } from './link.js';

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
  readonly #targetPort: number;
  readonly #links = new Set<Link>();
  readonly #rules: Rule[] = [];
  #silent = false;
  #port = 0;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  /** Listens on a free port of 127.0.0.1 in front of another port there. */
  static async start(targetPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort);
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

  async close(): Promise<void> {
    this.reset();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  /** The fault that is due for a request. */
  faultFor(request: string): Pick<Rule, 'fault' | 'met'> | undefined {
    const index = this.#rules.findIndex((rule) => rule.matches(request));
    return index < 0 ? undefined : this.#rules.splice(index, 1)[0];
  }

  #accept(client: net.Socket): void {
    const server = net.connect(this.#targetPort, '127.0.0.1');
    this.#links.add(new Link(this, client, server, (link) => this.#links.delete(link)));
  }
}
