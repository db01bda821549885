import type {
  Ballot,
  Claim,
  HoldCopy,
  Joined,
  Node,
  NodeHolder,
  NodeRenewal,
  Report,
  Sight,
  Standing,
  Terms,
  Vote,
  Confirmed,
} from '../../../backends/redlock/node.js';
import type { Held, LockRecord, Release, RevokedBy, Stop } from '../../../core/backend.js';
import type { LockName } from '../../../core/name.js';
import type { Network } from '../network.js';
import type { SimProcess } from '../process.js';
import type { Doing, NodeServer } from './node-server.js';
import type { VirtualNode } from './virtual-node.js';

type Repaired = Standing & { readonly repaired: boolean };

/** One process's way to one node: what the protocol takes for the node. */
export class Link implements Node {
  readonly name: string;
  readonly #process: SimProcess;
  readonly #server: NodeServer;
  readonly #network: Network;
  readonly #watchers = new Map<string, Set<() => void>>();
  #closed = false;

  constructor(name: string, process: SimProcess, server: NodeServer, network: Network) {
    this.name = name;
    this.#process = process;
    this.#server = server;
    this.#network = network;
  }

  join(terms: Terms): Promise<Joined> {
    return this.#send({ call: 'join' }, (node) => node.join(terms));
  }

  vote(ballot: Ballot, incarnation: string): Promise<Standing & { readonly vote?: Vote }> {
    const { ask, robs } = ballot;
    const channel = this.#watchers.has(ask.name.encoded) ? this.#process.name : '';
    const doing = { call: `vote ${ballot.round}`, names: [ask.name], owner: ask.owner, by: robs?.kind ?? 'stolen' };
    return this.#send(doing, (node) => node.vote(ballot, incarnation, channel));
  }

  confirm(claim: Claim, incarnation: string): Promise<Confirmed> {
    const { name, owner, first } = claim;
    return this.#send({ call: `confirm ${first}`, names: [name], owner }, (node) => node.confirm(claim, incarnation));
  }

  renew(holds: readonly Held[], incarnation: string): Promise<Standing & { readonly renewals: readonly NodeRenewal[] }> {
    const owner = holds.map((held) => held.owner).join(' ');
    const doing = { call: 'renew', names: holds.map(({ name }) => name), owner, upkeep: true };
    return this.#send(doing, (node) => node.renew(holds, incarnation));
  }

  copy(held: Held): Promise<HoldCopy | undefined> {
    return this.#send({ call: 'copy', owner: held.owner }, (node) => node.copy(held));
  }

  repair(held: Held, copy: HoldCopy, untilUs: number, incarnation: string): Promise<Repaired> {
    const { name, owner } = held;
    const doing = { call: 'repair', names: [name], owner, upkeep: true };
    return this.#send(doing, (node) => node.repair(held, copy, untilUs, incarnation));
  }

  release(held: Held): Promise<Release> {
    const { name, owner } = held;
    const doing = { call: 'release', names: [name], owner, by: 'released', upTo: Number.POSITIVE_INFINITY } as const;
    return this.#send(doing, (node) => node.release(held));
  }

  abandon(name: LockName, owner: string, round = Number.POSITIVE_INFINITY): Promise<void> {
    const doing = { call: `abandon ${round}`, names: [name], owner, upTo: round };
    return this.#send(doing, (node) => node.abandon(name, owner, Number.isFinite(round) ? round : undefined));
  }

  roundOf(name: LockName): Promise<number | undefined> {
    return this.#send({ call: 'round of' }, (node) => node.roundOf(name));
  }

  holderOf(name: LockName): Promise<NodeHolder | undefined> {
    return this.#send({ call: 'holder of' }, (node) => node.holderOf(name));
  }

  revoke(name: LockName, by: RevokedBy, upToRound: number, only?: string): Promise<readonly LockRecord[]> {
    return this.#send({ call: 'revoke', names: [name], by: by.kind }, (node) => node.revoke(name, by, upToRound, only));
  }

  read(name: LockName): Promise<readonly LockRecord[]> {
    return this.#send({ call: 'read' }, (node) => node.read(name));
  }

  list(prefix: string): Promise<readonly LockRecord[]> {
    return this.#send({ call: 'list' }, (node) => node.list(prefix));
  }

  watch({ encoded }: LockName, wake: () => void): Stop {
    const set = this.#watchers.get(encoded) ?? new Set();
    this.#watchers.set(encoded, set);
    const entry = () => wake();
    set.add(entry);
    return () => {
      set.delete(entry);
      if (set.size === 0 && this.#watchers.get(encoded) === set) this.#watchers.delete(encoded);
    };
  }

  /** A wake-up arrives. Who has nobody waiting passes it on. */
  heard(name: LockName): void {
    const waiting = this.#watchers.get(name.encoded);
    if (waiting !== undefined) for (const wake of [...waiting]) wake();
    else if (!this.#closed) this.#send({ call: 'pass on' }, (node) => node.passOn(name)).catch(() => {});
  }

  examine(): Promise<Sight> {
    return Promise.resolve({ node: this.name, others: [], votesInMs: 0 });
  }

  probe(): Promise<Report> {
    return Promise.resolve({ findings: [], votesInMs: 0 });
  }

  close(): void {
    this.#closed = true;
  }

  #send<T>(doing: Doing, request: (node: VirtualNode) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const carryOut = () => this.#server.carryOut(doing, () => request(this.#server.node));
      this.#network.call(this.#process, carryOut, resolve, reject);
    });
  }
}
