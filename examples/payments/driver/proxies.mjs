import { FaultProxy } from 'holdfast/testkit';

/** What stands between one worker and the servers that it talks to: cutting one off leaves the others alone. */
export class Proxies {
  #byTarget = {};

  /** @param ports of the servers, by name; a worker without one of them needs no proxy to it */
  static async start(ports) {
    const proxies = new Proxies();
    for (const [target, port] of Object.entries(ports)) proxies.#byTarget[target] = await FaultProxy.start(port);
    return proxies;
  }

  get targets() {
    return Object.keys(this.#byTarget);
  }

  to(target) {
    return this.#byTarget[target];
  }

  /** Ports by name, as the worker is to see them. */
  get ports() {
    return Object.fromEntries(this.targets.map((target) => [target, this.to(target).port]));
  }

  async close() {
    await Promise.all(Object.values(this.#byTarget).map((proxy) => proxy.close()));
  }
}
