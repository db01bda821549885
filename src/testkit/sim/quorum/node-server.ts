import type { LockName } from '../../../core/name.js';
import type { Recorder } from '../../check/history.js';
import { Door } from '../door.js';
import type { NodePlan } from '../scenario.js';
import type { Scheduler } from '../scheduler.js';
import type { Lock } from './cell.js';
import type { EndedBy, Ledger } from './ledger.js';
import { type NodeState, VirtualNode } from './virtual-node.js';

interface NodeServerOptions {
  readonly scheduler: Scheduler;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly plan: NodePlan;
  readonly index: number;
  readonly maxTtlMs: number;
}

/** A request, as the node's server needs to know it. */
export interface Doing {
  readonly call: string;
  /** Whose lock it may change, and for whom. */
  readonly names?: readonly LockName[];
  readonly owner?: string;
  /** What it is called if it ends a lock. */
  readonly by?: EndedBy;
  /** The owner gives up whatever the node may have promised it, up to this round. */
  readonly upTo?: number;
  /** It keeps what its owner has. */
  readonly upkeep?: boolean;
}

/** One node's server: its clock, its door, its restarts, and what it does written down as it does it. */
export class NodeServer {
  readonly door = new Door();
  readonly node: VirtualNode;
  copying = false;
  /** Tells a process that waits; set by whoever connects them. */
  publish: (channel: string, name: LockName) => boolean = () => false;
  /** Owners whose locks here are nobody's to take back: they came with copies of messages, or last longer than agreed. */
  readonly strays = new Set<string>();
  readonly #options: NodeServerOptions;
  #steppedMs = 0;
  #starts = 0;
  #old: NodeState | undefined;

  constructor(options: NodeServerOptions) {
    this.#options = options;
    this.node = new VirtualNode(
      {
        nowUs: () => this.nowUs,
        durable: options.plan.durable,
        publish: (channel, name) => this.publish(channel, name),
      },
      this.#incarnation,
    );
    const { maxTtlMs: graceMs, plan } = options;
    const longAgo = { fromMs: 0, atMs: 0, graceMs, ttlMs: graceMs, durable: plan.durable };
    this.node.restart(this.#incarnation, { past: { incarnation: this.#incarnation, ...longAgo }, cells: new Map() });
  }

  get nowUs(): number {
    const { scheduler, plan } = this.#options;
    return Math.floor((plan.wallMs + scheduler.nowMs * plan.rate + this.#steppedMs) * 1_000);
  }

  receive(run: () => void, refuse: () => void): void {
    this.door.receive(run, refuse);
  }

  /** Does one request, and writes down what became of it. */
  carryOut<T>(doing: Doing, request: () => T): T {
    const { call, names = [], owner = '', by = 'abandoned', upTo } = doing;
    const { ledger, index, recorder } = this.#options;
    const before = names.map((name) => this.node.lockOf(name));
    const answer = request();
    // Its lock is gone, so nothing is remembered of it: a copy of its ballot that is still on its way is nobody's to take back.
    if (call === 'release' && answer === 'released') this.strays.add(owner);
    recorder.add({ type: 'node', node: index, call, owner, said: said(answer), copy: this.copying });
    for (const [i, name] of names.entries()) this.#compare(before[i], this.node.lockOf(name), by, doing.upkeep === true);
    if (upTo !== undefined) ledger.ended(index, owner, by, upTo);
    return answer;
  }

  /** Set back, it keeps what it has for longer than anybody else knows. */
  stepWall(byMs: number): void {
    if (byMs < 0) for (const { ask } of this.node.locks) this.strays.add(ask.owner);
    this.#steppedMs += byMs;
  }

  /** What a restart is going to find on the disk. */
  remember(): void {
    this.#old = this.node.state;
  }

  restart(keeps: 'all' | 'old' | 'nothing'): void {
    const { durable } = this.#options.plan;
    const old = keeps === 'old' && !durable ? this.#old : undefined;
    const state = keeps === 'all' || durable ? this.node.state : (old ?? { past: undefined, cells: new Map() });
    this.#starts += 1;
    this.node.restart(this.#incarnation, state);
  }

  get #incarnation(): string {
    return `n${this.#options.index}#${this.#starts}`;
  }

  #compare(before: Lock | undefined, after: Lock | undefined, by: EndedBy, upkeep: boolean): void {
    const { ledger, index, plan, scheduler } = this.#options;
    if (before !== undefined && before.ask.owner !== after?.ask.owner) ledger.ended(index, before.ask.owner, by, before.round);
    if (after === undefined || after === before || !this.node.votes) return;
    const nowMs = Math.floor(this.nowUs / 1_000);
    if (before?.ask.owner !== after.ask.owner && this.copying) this.strays.add(after.ask.owner);
    const untilMs = scheduler.nowMs + (after.expiresMs - nowMs) / plan.rate;
    ledger.promised(index, after, untilMs, { copy: this.copying, upkeep });
    this.#watch(after, untilMs + 2);
  }

  /** Notes when nobody has touched a lock until it ran out. */
  #watch(lock: Lock, untilMs: number): void {
    const { index, recorder, scheduler } = this.#options;
    const starts = this.#starts;
    const { name, owner, node } = lock.ask;
    const look = () => {
      if (this.#starts !== starts || !this.node.lapsed(lock)) return;
      recorder.add({ type: 'lapsed', node: index, process: node.host, name: name.text, owner, copy: this.strays.has(owner) });
    };
    scheduler.at(untilMs, look, false);
  }
}

/** An answer in a word. */
function said(answer: unknown): string {
  if (typeof answer !== 'object' || answer === null) return String(answer);
  const { state, vote, outcome: confirmed, repaired, renewals } = answer as Partial<Record<string, unknown>>;
  if (state !== undefined && state !== 'votes') return String(state);
  if (Array.isArray(renewals)) return renewals.map(({ outcome }) => outcome).join(' ');
  const { outcome, first } = (vote ?? {}) as { readonly outcome?: string; readonly first?: bigint };
  return String(outcome ?? confirmed ?? repaired ?? state ?? '') + (first === undefined ? '' : ` ${first}`);
}
