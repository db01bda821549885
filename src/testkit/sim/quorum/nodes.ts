import { RedlockBackend } from '../../../backends/redlock/backend.js';
import type { Backend, LockRecord } from '../../../core/backend.js';
import { Network } from '../network.js';
import type { SimProcess } from '../process.js';
import { type NodeFault, noMessageFaults, type QuorumPlan } from '../scenario.js';
import type { StoreFault, Stores, Surroundings } from '../stores.js';
import { recordOf } from './cell.js';
import { Ledger } from './ledger.js';
import { Link } from './link.js';
import { NodeServer } from './node-server.js';
import { Noted } from './noted.js';

interface Place {
  readonly name: string;
  readonly server: NodeServer;
  readonly network: Network;
  /** By process. */
  readonly links: Map<string, { readonly process: SimProcess; readonly link: Link }>;
}

/** Several independent nodes, each with a network of its own; on the client side runs the real protocol. */
export class Nodes implements Stores {
  readonly #surroundings: Surroundings & { readonly plan: QuorumPlan };
  readonly #ledger: Ledger;
  readonly #places: readonly Place[];

  constructor(surroundings: Surroundings & { readonly plan: QuorumPlan }) {
    this.#surroundings = surroundings;
    const { plan, recorder } = surroundings;
    this.#ledger = new Ledger(recorder, Math.floor(plan.nodes.length / 2) + 1);
    this.#places = plan.nodes.map((_, index) => this.#place(index, this.#ledger));
  }

  get messageFaults(): readonly string[] {
    return this.#places.flatMap(({ network }) => network.happened);
  }

  connect(process: SimProcess): Backend {
    const { plan, recorder } = this.#surroundings;
    const { maxTtlMs, nodeTimeoutMs } = plan;
    const links = this.#places.map(({ name, server, network, links: others }) => {
      const link = new Link(name, process, server, network);
      others.set(process.name, { process, link });
      return link;
    });
    const settings = { maxTtlMs, nodeTimeoutMs, newNodes: 'wait' } as const;
    return new Noted(new RedlockBackend(links, settings, process.ports), process.name, recorder, this.#ledger);
  }

  remember(fault: StoreFault): void {
    if ('node' in fault) this.#placeOf(fault).server.remember();
  }

  strike(fault: StoreFault, process: string): void {
    if (!('node' in fault)) return;
    const { scheduler } = this.#surroundings;
    const { server, network } = this.#placeOf(fault);
    const later = (then: () => void) => void scheduler.after('forMs' in fault ? fault.forMs : 0, then);
    switch (fault.kind) {
      case 'node-restart':
        server.restart(fault.keeps);
        server.door.shut('refusing');
        return later(() => server.door.open());
      case 'node-outage':
        server.door.shut(fault.how);
        return later(() => server.door.open());
      case 'node-pause':
        server.door.pause();
        return later(() => server.door.resume());
      case 'node-step-wall':
        return server.stepWall(fault.byMs);
      case 'link-cut':
        for (const way of ['there', 'back'] as const) {
          if (fault.way === 'both' || fault.way === way) network.cut(process, way, fault.forMs);
        }
    }
  }

  /** Without what came with copies of messages: that is nobody's to take back, and ends by itself. */
  left(): readonly { readonly owner: string; readonly record: LockRecord }[] {
    return this.#places.flatMap(({ server }) =>
      server.node.locks
        .filter(({ ask }) => !server.strays.has(ask.owner))
        .map((lock) => ({ owner: lock.ask.owner, record: recordOf(lock, server.nowUs / 1_000) })),
    );
  }

  #place(index: number, ledger: Ledger): Place {
    const { plan: quorum, recorder, scenario, scheduler } = this.#surroundings;
    const plan = quorum.nodes[index] as QuorumPlan['nodes'][number];
    const server = new NodeServer({ scheduler, recorder, ledger, plan, index, maxTtlMs: quorum.maxTtlMs });
    const mixed = quorum.nodes.some(({ spare }) => spare);
    const messages = mixed && !plan.spare ? noMessageFaults : scenario.messages;
    const network = new Network({ ...this.#surroundings, server, node: index, messages, spare: plan.spare });
    const links: Place['links'] = new Map();
    server.publish = (channel, name) => {
      const to = links.get(channel);
      if (to === undefined || !to.process.alive) return false;
      network.notify(to.process, () => to.link.heard(name));
      return true;
    };
    return { name: `n${index}`, server, network, links };
  }

  #placeOf({ node }: NodeFault): Place {
    const place = this.#places[node];
    if (place === undefined) throw new Error(`there is no node ${node}`);
    return place;
  }
}
