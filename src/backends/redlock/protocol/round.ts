import type { Ask, Grant, LockRecord, Refusal, RevokedBy } from '../../../core/backend.js';
import { elapsedMs, type Instant } from '../../../core/clock.js';
import { BackendUnavailableError } from '../../../core/errors.js';
import type { Ballot, Claim, Confirmed, No, Standing, Vote, Yes } from '../node.js';
import type { Group } from './group.js';
import type { Member } from './member.js';
import { proposalOf } from './node-clock.js';
import { refusalOf, unavailable } from './outcomes.js';

/** A grant that took more of its TTL than that is given back: too little of it is left to be of use. */
const usefulRatio = 0.5;

export interface Granted extends Grant {
  /** What was ended for it: each node's, of those that voted for it. */
  readonly ended: readonly (readonly LockRecord[])[];
  /** Whether fences had to be written back. */
  readonly wroteBack: boolean;
}

/** A later round of the same owner has the votes: to ask again is to be told what that one agrees on. */
export interface Superseded {
  readonly outcome: 'superseded';
}

/**
 * One round of one ask: votes, and if the voters' fences differ, their agreement written back. Settles as soon as the
 * answer is decided; what comes later is still dealt with. A round that fails leaves nothing behind on any node.
 */
export class Round {
  readonly #group: Group;
  readonly #ballot: Ballot;
  readonly #sentAt: Instant;
  readonly #yes = new Map<Member, Yes>();
  readonly #no = new Map<Member, No>();
  readonly #silent = new Map<Member, unknown>();
  readonly #asked = new Set<Member>();
  readonly #confirmed = new Set<Member>();
  readonly #unconfirmed = new Map<Member, unknown>();
  /** Where its votes became those of a later round. */
  #superseded = 0;
  #claim: Claim | undefined;
  /** Requests that are out. */
  #open = 0;
  #phase: 'voting' | 'writing-back' | 'granted' | 'over' = 'voting';
  #resolve!: (answer: Granted | Refusal | Superseded) => void;
  #reject!: (error: unknown) => void;

  constructor(group: Group, ask: Ask, round: number, robs?: RevokedBy) {
    const { ports } = group.context;
    const clocks = group.members.map(({ clock }) => clock);
    this.#sentAt = ports.now();
    const proposal = proposalOf(clocks, this.#sentAt);
    this.#group = group;
    this.#ballot = { ask, round, proposal, ...(robs === undefined ? {} : { robs }) };
  }

  /** @throws BackendUnavailableError if too few nodes voted */
  run(): Promise<Granted | Refusal | Superseded> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      const voters = this.#group.voters;
      this.#group.claims.enter(this.#ballot.ask.owner);
      this.#open += 1;
      for (const member of this.#group.members) {
        if (voters.includes(member)) this.#ask(member);
        else this.#silent.set(member, member.lastError);
      }
      this.#count();
      this.#closed();
    });
  }

  #ask(member: Member): void {
    const { ttlMs } = this.#ballot.ask;
    this.#asked.add(member);
    this.#open += 1;
    const voted = (reply: Standing & { readonly vote?: Vote }) => {
      this.#voted(member, reply);
      this.#closed();
    };
    const failed = (error: unknown) => {
      this.#silent.set(member, error);
      if (this.#phase === 'over') this.#takeBack(member);
      this.#count();
      this.#closed();
    };
    member.voting('asking for its vote', ttlMs, (incarnation) => member.node.vote(this.#ballot, incarnation), voted, failed);
  }

  #voted(member: Member, { state, vote }: Standing & { readonly vote?: Vote }): void {
    if (vote?.outcome === 'yes' && (state !== 'votes' || this.#phase === 'over')) this.#takeBack(member);
    if (state !== 'votes' || vote === undefined) this.#silent.set(member, undefined);
    else if (vote.outcome !== 'yes') this.#no.set(member, vote);
    else this.#agrees(member, vote);
    this.#count();
  }

  #agrees(member: Member, vote: Yes): void {
    this.#yes.set(member, vote);
    const claim = this.#claim;
    if (claim === undefined || this.#phase === 'over') return;
    // Until it is granted: what another was granted since the first of these votes was given may be what this one is above.
    if (this.#phase === 'writing-back' && vote.first > claim.first) this.#agree();
    else if (vote.first === claim.first && vote.last === claim.last) this.#confirmed.add(member);
    else this.#writeBack(member, claim);
  }

  #count(): void {
    if (this.#phase === 'voting') this.#countVotes();
    else if (this.#phase === 'writing-back') this.#countConfirmed();
  }

  #countVotes(): void {
    const { quorum, veto, members } = this.#group;
    const answered = this.#yes.size + this.#no.size;
    if (this.#yes.size >= quorum) this.#agree();
    else if (this.#no.size >= veto) this.#refused();
    else if (this.#silent.size >= veto) this.#failed(unavailable(this.#ballot.ask, this.#group, this.#votes()));
    else if (answered + this.#silent.size === members.length) this.#refused();
  }

  /** On the highest fences that were minted. Every later majority has a member of this one, which will not mint any below. */
  #agree(): void {
    const { quorum } = this.#group;
    const { name, owner, ttlMs } = this.#ballot.ask;
    const highest = [...this.#yes.values()].reduce((a, b) => (b.first > a.first ? b : a));
    const own = { name, owner, round: this.#ballot.round, first: highest.first, last: highest.last, ttlMs };
    const claim = this.#group.claims.settle(own);
    const { first, last } = claim;
    this.#claim = claim;
    this.#phase = 'writing-back';
    this.#confirmed.clear();
    this.#unconfirmed.clear();
    this.#superseded = 0;
    const others: Member[] = [];
    for (const [member, vote] of this.#yes) {
      if (vote.first === first && vote.last === last) this.#confirmed.add(member);
      else others.push(member);
    }
    if (this.#confirmed.size >= quorum) this.#granted(claim, false);
    // Also where nobody waits for it: an owner that asks again is then told the same.
    for (const member of others) this.#writeBack(member, claim);
  }

  #writeBack(member: Member, claim: Claim): void {
    this.#open += 1;
    const failed = (error: unknown) => {
      this.#unwritten(member, claim, error);
      this.#closed();
    };
    const answered = ({ outcome }: Confirmed) => {
      this.#written(member, claim, outcome);
      this.#closed();
    };
    const send = (incarnation: string) => member.node.confirm(claim, incarnation);
    member.voting('writing the fence back', claim.ttlMs, send, answered, failed);
  }

  #written(member: Member, claim: Claim, outcome: Confirmed['outcome']): void {
    // Higher fences were agreed on since.
    if (claim !== this.#claim) return;
    if (outcome === 'superseded') this.#superseded += 1;
    if (outcome !== 'confirmed') return this.#unwritten(member, claim, undefined);
    this.#confirmed.add(member);
    this.#count();
  }

  #unwritten(member: Member, claim: Claim, error: unknown): void {
    if (claim !== this.#claim) return;
    this.#unconfirmed.set(member, error);
    this.#count();
  }

  #countConfirmed(): void {
    const { quorum, members } = this.#group;
    const claim = this.#claim as Claim;
    if (this.#confirmed.size >= quorum) return this.#granted(claim, true);
    const lost = this.#unconfirmed.size + this.#no.size + this.#silent.size;
    if (members.length - lost >= quorum) return;
    // Ended by somebody meanwhile: it is not this owner's any more.
    const isEnded = [...this.#unconfirmed.values()].includes(undefined);
    if (!isEnded) return this.#failed(unavailable(this.#ballot.ask, this.#group, this.#votes()));
    this.#end();
    if (this.#superseded > 0) return this.#resolve({ outcome: 'superseded' });
    this.#resolve({ outcome: 'refused', because: 'abandoned', holders: [], ahead: 0 });
  }

  #granted({ first, last, ttlMs }: Claim, wroteBack: boolean): void {
    const tookMs = elapsedMs(this.#sentAt, this.#group.context.ports.now());
    if (tookMs > ttlMs * usefulRatio) {
      const lock = this.#ballot.ask.name.text;
      const message = `the nodes took ${Math.round(tookMs)} ms to grant "${lock}", too much of its TTL of ${ttlMs} ms: use a longer ttlMs`;
      return this.#failed(new BackendUnavailableError(message, { lock }));
    }
    this.#phase = 'granted';
    const ended = [...this.#yes.values()].map((vote) => vote.ended);
    this.#resolve({ outcome: 'granted', fences: { first, last }, ttlMs, ended, wroteBack });
  }

  #refused(): void {
    const tookMs = elapsedMs(this.#sentAt, this.#group.context.ports.now());
    const refusal = refusalOf([...this.#no.values()], this.#group, tookMs);
    this.#end();
    this.#resolve(refusal);
  }

  #failed(error: unknown): void {
    this.#end();
    this.#reject(error);
  }

  #closed(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#group.claims.leave(this.#ballot.ask.owner);
  }

  /** Votes that come from now on are taken back as they come. */
  #end(): void {
    if (this.#claim !== undefined) this.#group.claims.drop(this.#ballot.ask.owner);
    this.#phase = 'over';
    for (const member of this.#yes.keys()) this.#takeBack(member);
    // Silent ones too: their vote may have been given, or be given yet.
    for (const member of this.#silent.keys()) if (this.#asked.has(member)) this.#takeBack(member);
  }

  #takeBack(member: Member): void {
    const { ask, round } = this.#ballot;
    this.#group.debtsOf(member).owe(ask.name, ask.owner, round, ask.ttlMs);
  }

  #votes(): ReadonlyMap<Member, string | { readonly error: unknown }> {
    const votes = new Map<Member, string | { readonly error: unknown }>();
    for (const member of this.#yes.keys()) {
      const error = this.#unconfirmed.get(member);
      votes.set(member, this.#unconfirmed.has(member) ? { error: error ?? new Error('lost the vote again') } : 'voted yes');
    }
    for (const [member, vote] of this.#no) votes.set(member, vote.outcome === 'held' ? 'is held by another' : 'had ended it');
    for (const [member, error] of this.#silent) votes.set(member, { error });
    return votes;
  }
}
