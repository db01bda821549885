import { setImmediate } from 'node:timers';
import { RedlockBackend } from '../../../../backends/redlock/backend.js';
import { VirtualNode } from '../virtual-node.js';
import { Client } from './client.js';
import { ManualClock } from './clock.js';
import { type Reply, type Request, show, wire } from './wire.js';

/** How far a model is explored. */
export interface Bounds {
  /** How often something else happens than what is next in turn. */
  readonly turns: number;
  readonly ticks: number;
  /** Asks of each client. */
  readonly asks: number;
  /** Restarts without data. */
  readonly restarts: number;
  /** Replies that arrive later than the next thing that happens. */
  readonly lateReplies: number;
}

export const tickMs = 1_000;
const ttlMs = 2 * tickMs;
const nodeCount = 3;

/**
 * Two clients on three nodes, over the real protocol. Nothing happens by itself: what arrives next, when a tick passes and which
 * node loses its data are choices, and a model is a function of the choices made.
 */
export class Model {
  violation: string | undefined;
  readonly #bounds: Bounds;
  readonly #clock = new ManualClock();
  readonly #nodes: readonly VirtualNode[];
  readonly #clients: readonly Client[];
  readonly #requests = new Map<string, Request>();
  readonly #replies = new Map<string, Reply>();
  /** What each client has been told, in its order: all that its state depends on. */
  readonly #heard: Record<string, string[]> = { p: [], q: [] };
  readonly #used = { turns: 0, ticks: 0, restarts: 0, lateReplies: 0 };
  #newest = 0n;
  #served = 'p';

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#nodes = Array.from({ length: nodeCount }, (_, i) => this.#node(i));
    this.#clients = ['p', 'q'].map((name) => this.#client(name));
  }

  async start(): Promise<void> {
    for (const client of this.#clients) client.ask();
    await settled();
  }

  /**
   * What may happen next. First what is in turn: whoever was served goes on, its oldest request first, until nothing of it is on
   * its way; then the other one, and at last time. Anything else is a change of turns, of which there may be so many. The end of
   * a holder's work, a loss of data and the arrival of what is late are none: they may come at any point.
   */
  choices(): readonly string[] {
    if (this.#clients.every(({ state }) => state === 'done') && this.#requests.size === 0) return [];
    const { turns, ticks, restarts, lateReplies } = this.#bounds;
    const requests = [...this.#requests.values()].sort((a, b) => this.#distance(a.client) - this.#distance(b.client));
    const arrivals = requests.map(({ id }) => `do ${id}`);
    const finishes = this.#clients.flatMap(({ name, holds }) => (holds ? [`finish ${name}`] : []));
    const inOrder = [...arrivals, ...(this.#used.ticks < ticks ? ['tick'] : [])];
    const late = requests.filter(({ id }) => / (?:vote|confirm) /.test(id)).map(({ id }) => `late ${id}`);
    const others = [...inOrder.slice(1), ...(this.#used.lateReplies < lateReplies ? late : [])];
    const replies = [...this.#replies.keys()].map((id) => `hear ${id}`);
    const losses = this.#used.restarts < restarts ? this.#nodes.map((_, i) => `forget ${i}`) : [];
    return [...inOrder.slice(0, 1), ...(this.#used.turns < turns ? others : []), ...finishes, ...replies, ...losses];
  }

  /** Changes of turns made: a state that was reached with fewer has more before it. */
  get turns(): number {
    return this.#used.turns;
  }

  #distance(client: string): number {
    return client === this.#served ? 0 : 1;
  }

  async choose(choice: string): Promise<void> {
    if (!/^(?:finish|hear|forget)/.test(choice) && choice !== this.choices()[0]) this.#used.turns += 1;
    const at = choice.indexOf(' ');
    const [what, which] = at < 0 ? [choice, ''] : [choice.slice(0, at), choice.slice(at + 1)];
    if (what === 'tick') await this.#tick(this.#bounds.asks);
    else if (what === 'forget') this.#forget(Number(which));
    else if (what === 'finish') this.#finish(which);
    else if (what === 'hear') this.#hear(this.#replies.get(which));
    else this.#arrive(which, what === 'late');
    await settled();
  }

  /** From here on nothing goes wrong. @returns whether everybody gets the lock in the end */
  async heals(): Promise<boolean> {
    for (let ticks = 0; ticks < 16; ticks++) {
      while (this.#requests.size + this.#replies.size > 0) {
        const [reply] = this.#replies.keys();
        const [request] = this.#requests.keys();
        await this.choose(reply === undefined ? `do ${request}` : `hear ${reply}`);
      }
      if (this.#clients.every(({ state }) => state === 'done')) return true;
      for (const { name, holds } of this.#clients) if (holds) await this.choose(`finish ${name}`);
      await this.#tick(Number.POSITIVE_INFINITY);
    }
    return false;
  }

  /** Equal for worlds in which the same can happen from here on. */
  key(): string {
    const clients = this.#clients.map((it) => [it.name, it.state, it.holds, it.asks, this.#history(it.name)]);
    const nodes = this.#nodes.map((node) => node.state);
    const inFlight = [[...this.#requests.keys()].sort(), [...this.#replies.keys()].sort()];
    const { turns: _, ...used } = this.#used;
    return show([clients, nodes, inFlight, used, this.#served, this.#newest, this.#clock.nowMs]);
  }

  /** The order of votes and confirmations decides; acknowledgements are only counted, so theirs does not. */
  #history(name: string): readonly string[] {
    const history: string[] = [];
    let acknowledged: string[] = [];
    const close = () => {
      history.push(...acknowledged.sort());
      acknowledged = [];
    };
    for (const line of this.#heard[name] ?? []) {
      if (/ (?:abandon|release) /.test(line)) acknowledged.push(line);
      else {
        if (line === 'tick') close();
        history.push(line);
      }
    }
    close();
    return history;
  }

  async #tick(asks: number): Promise<void> {
    const untilMs = this.#clock.nowMs + tickMs;
    this.#used.ticks += 1;
    while (this.#clock.fireNext(untilMs)) await settled();
    this.#clock.nowMs = untilMs;
    for (const client of this.#clients) {
      this.#heard[client.name]?.push('tick');
      client.tick();
      if (client.state === 'refused' && client.asks < asks) client.ask();
    }
    await settled();
  }

  #forget(index: number): void {
    this.#used.restarts += 1;
    this.#nodes[index]?.restart(`n${index}'${this.#used.restarts}`, { past: undefined, cells: new Map() });
  }

  #finish(name: string): void {
    this.#heard[name]?.push('finish');
    this.#served = name;
    this.#clients.find((client) => client.name === name)?.finish();
  }

  #arrive(id: string, isLate: boolean): void {
    const request = this.#requests.get(id);
    const reply = request?.carryOut();
    this.#served = request?.client ?? this.#served;
    this.#requests.delete(id);
    if (!isLate) return this.#hear(reply);
    this.#used.lateReplies += 1;
    if (reply !== undefined) this.#replies.set(id, reply);
  }

  #hear(reply: Reply | undefined): void {
    if (reply === undefined) return;
    this.#replies.delete(reply.id);
    this.#heard[reply.client]?.push(`${reply.id} ${reply.said}`);
    reply.handOver();
  }

  /** Their clocks are apart, so that they mint different fences. */
  #node(index: number): VirtualNode {
    const nowUs = () => (1_000_000 + this.#clock.nowMs + 100 * index) * 1_000;
    const incarnation = `n${index}'0`;
    const node = new VirtualNode({ nowUs, durable: false, publish: () => false }, incarnation);
    const past = { incarnation, fromMs: 0, atMs: 0, graceMs: ttlMs, ttlMs, durable: false };
    node.restart(incarnation, { past, cells: new Map() });
    return node;
  }

  #client(name: string): Client {
    const ports = this.#clock.ports(name);
    const wires = this.#nodes.map((node, i) => wire(name, i, node, (request) => void this.#requests.set(request.id, request)));
    const backend = new RedlockBackend(wires, { maxTtlMs: ttlMs, newNodes: 'wait' }, ports);
    return new Client(name, backend, ports, ttlMs, { granted: (client, fence) => this.#granted(client, fence) });
  }

  #granted(client: Client, fence: bigint): void {
    const other = this.#clients.find((it) => it !== client && it.holds);
    if (other !== undefined) this.violation ??= `exclusion: ${client.name} was granted while ${other.name} holds`;
    if (fence <= this.#newest) this.violation ??= `fences: ${client.name} got ${fence} after ${this.#newest}`;
    this.#newest = fence > this.#newest ? fence : this.#newest;
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
