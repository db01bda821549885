import type { Node } from '../node.js';
import { Claims } from './claims.js';
import { Debts } from './debts.js';
import { type Context, Member } from './member.js';

/** All nodes, and what a majority of them is. */
export class Group {
  readonly context: Context;
  readonly members: readonly Member[];
  /** More than half of all nodes, whether they answer or not. */
  readonly quorum: number;
  readonly claims = new Claims();
  readonly #debts = new Map<Member, Debts>();

  constructor(nodes: readonly Node[], context: Context) {
    this.context = context;
    this.quorum = Math.floor(nodes.length / 2) + 1;
    const [twinOf, answered] = [(self: Member) => this.#twinOf(self), (self: Member) => this.#debts.get(self)?.heard()];
    this.members = nodes.map((node) => new Member(node, context, twinOf, answered));
    for (const member of this.members) this.#debts.set(member, new Debts(member, context.ports));
  }

  /** Without so many, the others are no majority. */
  get veto(): number {
    return this.members.length - this.quorum + 1;
  }

  /** Those to ask: who gave no answer lately is left out as long as the others are a majority. */
  get awake(): readonly Member[] {
    const awake = this.members.filter((member) => !member.rests);
    return awake.length >= this.quorum ? awake : this.members;
  }

  /** Those to ask for votes: also without those that sit out their grace. */
  get voters(): readonly Member[] {
    const voters = this.awake.filter((member) => member.waitsMs === 0);
    return voters.length >= this.quorum ? voters : this.members.filter((member) => member.waitsMs === 0);
  }

  debtsOf(member: Member): Debts {
    return this.#debts.get(member) as Debts;
  }

  /** Tells nodes what they are owed, and waits for what is under way, but not longer than that. */
  async close(withinMs: number): Promise<void> {
    for (const debts of this.#debts.values()) debts.sendAll();
    // A release is answered when a majority has it: the others' are still on their way.
    await this.context.inFlight.none(this.context.ports, withinMs);
    for (const debts of this.#debts.values()) debts.close();
    this.context.calls.close();
    for (const { node } of this.members) node.close();
  }

  /** Two clients may lead to one server under two names: its vote counts once. */
  #twinOf(self: Member): Member | undefined {
    for (const member of this.members) {
      if (member === self) return undefined;
      if (member.incarnation !== undefined && member.incarnation === self.incarnation) return member;
    }
    return undefined;
  }
}
