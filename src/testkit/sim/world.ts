import { Holdfast } from '../../core/holdfast.js';
import { Recorder } from '../check/history.js';
import { SimProcess } from './process.js';
import { Nodes } from './quorum/nodes.js';
import type { Dice } from './rng.js';
import type { ProcessPlan, Scenario } from './scenario.js';
import { Scheduler } from './scheduler.js';
import { SingleStore } from './single.js';
import { SimSink } from './sink.js';
import type { Stores } from './stores.js';
import { type Pending, perform } from './workload.js';

interface Member {
  readonly plan: ProcessPlan;
  readonly process: SimProcess;
  readonly locks: Holdfast;
  closed: Promise<void> | undefined;
}

/** All processes, the stores, and what lies between them. */
export class World {
  readonly scheduler = new Scheduler();
  readonly recorder = new Recorder(() => this.scheduler.nowMs);
  readonly stores: Stores;
  readonly pending: Pending = new Map();
  /** By the name in the scenario: whoever runs under it now. */
  readonly members = new Map<string, Member>();
  /** Callers that have not come to the end of their ops. */
  busy = 0;
  readonly #sink: SimSink;
  readonly #dice: Dice;
  /** The next op of every caller: a process that starts again goes on there. */
  readonly #next = new Map<string, number>();

  constructor(scenario: Scenario) {
    this.#dice = { seed: scenario.seed };
    const { scheduler, recorder } = this;
    const surroundings = { scheduler, dice: this.#dice, recorder, scenario };
    const { quorum } = scenario;
    this.stores = quorum === undefined ? new SingleStore(surroundings) : new Nodes({ ...surroundings, plan: quorum });
    this.#sink = new SimSink({ scheduler, dice: this.#dice, recorder });
  }

  start(plan: ProcessPlan, generation = 0): void {
    const { scheduler, recorder } = this;
    const name = generation === 0 ? plan.name : `${plan.name}'${generation}`;
    const process = new SimProcess(name, { scheduler, dice: this.#dice, recorder }, plan);
    const locks = new Holdfast(this.stores.connect(process), { callTimeoutMs: plan.callTimeoutMs }, process.ports);
    const member: Member = { plan, process, locks, closed: undefined };
    this.members.set(plan.name, member);
    plan.callers.forEach((_, caller) => {
      void this.#runCaller(member, caller);
    });
    const { closesAtMs } = plan;
    if (closesAtMs !== undefined && generation === 0) {
      scheduler.at(closesAtMs, () => process.deliver(() => void this.close(member)));
    }
  }

  crash(name: string): void {
    const member = this.members.get(name);
    if (member === undefined || !member.process.alive) return;
    member.process.crash();
    this.recorder.add({ type: 'died', process: member.process.name });
    for (const [op, process] of this.pending) if (process === member.process) this.pending.delete(op);
    this.busy -= member.plan.callers.filter((_, caller) => !this.#finished(member.plan, caller)).length;
  }

  close(member: Member): Promise<void> {
    member.closed ??= this.#close(member);
    return member.closed;
  }

  async #close(member: Member): Promise<void> {
    const process = member.process.name;
    this.recorder.add({ type: 'closing', process });
    await member.locks.close();
    this.recorder.add({ type: 'closed', process });
  }

  async #runCaller(member: Member, caller: number): Promise<void> {
    const { plan, process, locks } = member;
    const { recorder } = this;
    const key = `${plan.name}/${caller}`;
    const ops = plan.callers[caller] ?? [];
    if (this.#finished(plan, caller)) return;
    this.busy += 1;
    for (;;) {
      const next = this.#next.get(key) ?? 0;
      const op = ops[next];
      if (op === undefined) break;
      this.#next.set(key, next + 1);
      await perform({ process, locks, recorder, sink: this.#sink }, op, this.pending);
    }
    this.#next.set(key, ops.length + 1);
    this.busy -= 1;
  }

  /** A caller is finished once it has looked beyond its last op. */
  #finished(plan: ProcessPlan, caller: number): boolean {
    const ops = plan.callers[caller] ?? [];
    return (this.#next.get(`${plan.name}/${caller}`) ?? 0) > ops.length;
  }
}
