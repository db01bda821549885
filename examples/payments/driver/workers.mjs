import { Child } from './children.mjs';
import { Proxies } from './proxies.mjs';

/** The workers of the service: started, frozen, killed and started again. */
export class Workers {
  #list = [];

  /** @param servers ports of the provider and the stores, by name */
  static async start(count, settings, servers, folder) {
    const workers = new Workers();
    try {
      const names = Array.from({ length: count }, (_, index) => `worker-${index + 1}`);
      await Promise.all(names.map((name) => workers.#start(name, settings, servers, folder)));
    } catch (error) {
      await workers.close('SIGKILL');
      throw error;
    }
    return workers;
  }

  async #start(name, settings, servers, folder) {
    const proxies = await Proxies.start(servers);
    const worker = new Worker(name, proxies, { ...settings, name, ports: proxies.ports }, folder);
    this.#list.push(worker);
    await worker.boot();
  }

  get all() {
    return this.#list;
  }

  get crashes() {
    return this.#list.reduce((sum, { crashes }) => sum + crashes, 0);
  }

  /** SIGTERM lets them end their work first. */
  async close(signal) {
    await Promise.all(this.#list.map((worker) => worker.close(signal)));
  }
}

class Worker {
  name;
  proxies;
  /** What is done to it at the moment, one thing at a time. */
  trouble;
  crashes = 0;
  #settings;
  #folder;
  #child;
  #port = 0;

  constructor(name, proxies, settings, folder) {
    this.name = name;
    this.proxies = proxies;
    this.#settings = settings;
    this.#folder = folder;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  async boot() {
    const about = { folder: this.#folder, name: this.name, crashed: () => this.#crashed() };
    this.#child = await Child.start('service/worker.mjs', this.#settings, about);
    this.#port = this.#child.ready.port;
  }

  freeze() {
    this.#child.signal('SIGSTOP');
  }

  wake() {
    this.#child.signal('SIGCONT');
  }

  /** A fault of its own, and the audit says so. It is started again, as a supervisor would. */
  #crashed() {
    this.crashes += 1;
    this.boot().catch((error) => console.error(error));
  }

  async restart() {
    await this.#child.end('SIGKILL');
    await this.boot();
  }

  async close(signal) {
    this.#child?.signal('SIGCONT');
    await this.#child?.end(signal);
    await this.proxies.close();
  }
}
