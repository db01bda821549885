import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { parseOptions } from '../../src/backends/zookeeper/options.js';
import { Sessions } from '../../src/backends/zookeeper/sessions.js';
import { Store } from '../../src/backends/zookeeper/store.js';
import type { Backend } from '../../src/core/backend.js';
import { Calls } from '../../src/core/calls.js';
import { systemPorts } from '../../src/core/clock.js';
import { clientsOf, Operator, openZooKeeper } from '../support/zookeeper-clients.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';

/** Where the nodes of the name "job" are. */
export const parent = '/holdfast/locks/job';

/** A server, a store on it, and a hand in its nodes. */
export class OneServer {
  server!: ZooKeeperServer;
  operator!: Operator;
  store!: Backend;

  constructor() {
    beforeAll(async () => {
      this.server = await ZooKeeperServer.start();
      this.operator = await Operator.connect(this.server.address);
    });
    beforeEach(() => {
      this.store = openZooKeeper(this.server.address);
    });
    afterEach(async () => {
      await this.store.close();
      const { operator } = this;
      for (const child of await operator.children('/holdfast/locks')) await operator.removeAll(`/holdfast/locks/${child}`);
    });
    afterAll(async () => {
      await this.operator.close();
      await this.server.stop();
    });
  }

  /** What a backend works with. */
  internal(): Store {
    const calls = () => new Calls(systemPorts());
    return new Store(new Sessions(clientsOf(this.server.address), calls(), () => {}), calls(), parseOptions());
  }
}
