import type { Backend } from '../../core/backend.js';
import { SimBackend } from './backend.js';
import { Network } from './network.js';
import type { SimProcess } from './process.js';
import { SimServer } from './server.js';
import type { StoreFault, Stores, Surroundings } from './stores.js';

/** The one store of most worlds, and the network to it. */
export class SingleStore implements Stores {
  readonly #server: SimServer;
  readonly #network: Network;
  readonly #surroundings: Surroundings;

  constructor(surroundings: Surroundings) {
    const { scheduler, recorder, scenario } = surroundings;
    this.#surroundings = surroundings;
    this.#server = new SimServer(scheduler, recorder, scenario.store);
    this.#network = new Network({ ...surroundings, server: this.#server });
    this.#server.onWake = (name) => this.#network.wake(name);
  }

  get messageFaults(): readonly string[] {
    return this.#network.happened;
  }

  connect(process: SimProcess): Backend {
    const { recorder, scenario } = this.#surroundings;
    return new SimBackend(process, { network: this.#network, server: this.#server, recorder }, scenario.store);
  }

  remember(): void {
    this.#server.copyToReplica();
  }

  strike(fault: StoreFault): void {
    const server = this.#server;
    switch (fault.kind) {
      case 'outage':
        return this.#down(fault.how, fault.forMs);
      case 'store-pause':
        server.door.pause();
        this.#surroundings.scheduler.after(fault.forMs, () => server.door.resume());
        return;
      case 'store-step-wall':
        return server.stepWall(fault.byMs);
      case 'forget':
        server.forget();
        return this.#down('refusing', fault.forMs);
      case 'failover':
        server.failOver();
        return this.#down('refusing', fault.forMs);
      case 'spurious-wake':
        return this.#network.wake(fault.name);
    }
  }

  left() {
    return this.#server.left();
  }

  #down(how: 'silent' | 'refusing', forMs: number): void {
    this.#server.door.shut(how);
    this.#surroundings.scheduler.after(forMs, () => this.#server.door.open());
  }
}
