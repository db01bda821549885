import { FaultProxy } from '../testkit/faults/proxy.js';

interface Parts {
  readonly before: string;
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly after: string;
}

/** Why no proxy can stand before this store; undefined where it can. */
export function behindProxies(tcp: { readonly url: string; readonly portDefault: number } | undefined): string | undefined {
  if (tcp === undefined) return 'this store is not reached through hosts of a URL that speak plain TCP';
  return partsOf(tcp.url, tcp.portDefault) === undefined ? 'the hosts of this URL cannot be replaced' : undefined;
}

/** `scheme://login@host:port,host:port/rest`, as the URLs of all stores are written. */
function partsOf(url: string, portDefault: number): Parts | undefined {
  const match = /^([a-z+]+:\/\/(?:[^@/?#]*@)?)([^@/?#]+)(.*)$/is.exec(url);
  if (match === null) return undefined;
  const [, before = '', list = '', after = ''] = match;
  const hosts = list.split(',').map((text) => {
    const found = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]*))(?::(\d{1,5}))?$/i.exec(text);
    return { host: found?.[1] ?? (found?.[2] || 'localhost'), port: found === null ? 0 : Number(found[3] ?? portDefault) };
  });
  return hosts.some(({ port }) => port < 1) ? undefined : { before, hosts, after };
}

/** A proxy before each host of a URL. */
export class Proxies {
  /** Leads through all of them. */
  readonly url: string;
  readonly #proxies: readonly FaultProxy[];

  private constructor(url: string, proxies: readonly FaultProxy[]) {
    this.url = url;
    this.#proxies = proxies;
  }

  static async before(url: string, portDefault: number): Promise<Proxies> {
    const parts = partsOf(url, portDefault);
    if (parts === undefined) throw new TypeError('the hosts of this URL cannot be replaced');
    const proxies = await Promise.all(parts.hosts.map(({ host, port }) => FaultProxy.start(port, host)));
    const list = proxies.map((proxy) => `127.0.0.1:${proxy.port}`).join(',');
    return new Proxies(`${parts.before}${list}${parts.after}`, proxies);
  }

  silence(): void {
    for (const proxy of this.#proxies) proxy.silence();
  }

  speak(): void {
    for (const proxy of this.#proxies) proxy.speak();
  }

  async close(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }
}
