import type { Ask, Finding, Held, LockRecord, Release, RevokedBy, Stop } from '../../core/backend.js';
import type { ForeignLock } from '../../core/examination.js';
import type { LockName } from '../../core/name.js';

/**
 * One independent server, as the protocol needs it. Each method is one request that the node carries out in one step. It may
 * reject with whatever went wrong, after having taken effect or not, or never settle: deadlines, retries and quorums
 * are the protocol's. All writes are idempotent, because a client library may send a request twice.
 */
export interface Node {
  /** For messages: where it is. */
  readonly name: string;
  /** Makes the node known to the caller, and the caller's terms to the node. Joining twice changes nothing. */
  join(terms: Terms): Promise<Joined>;
  /** Asks for its vote. A node that does not vote does nothing. Idempotent by the ballot's owner. */
  vote(ballot: Ballot, incarnation: string): Promise<Standing & { readonly vote?: Vote }>;
  /** Writes agreed fences back: raises the node's last fence to theirs. */
  confirm(claim: Claim, incarnation: string): Promise<Confirmed>;
  /** Extends holds, also while it does not vote. Creates none. Answers in the same order; nothing if it is a stranger. */
  renew(holds: readonly Held[], incarnation: string): Promise<Standing & { readonly renewals: readonly NodeRenewal[] }>;
  /** What it has of a hold, for a node that lost it; undefined if it has not got it. */
  copy(held: Held): Promise<HoldCopy | undefined>;
  /** Takes a hold in again that was renewed elsewhere, if it votes, the name is free here and the owner was not ended here. */
  repair(held: Held, copy: HoldCopy, untilUs: number, incarnation: string): Promise<Standing & { readonly repaired: boolean }>;
  /** Compare-and-delete; wakes who waits. Where there is nothing to delete, ballots of this owner that arrive later are refused. */
  release(held: Held): Promise<Release>;
  /**
   * Forgets what the owner has here from ballots up to `round`, and refuses such ballots when they arrive later. Without a
   * round: from all ballots; then it wakes who waits.
   */
  abandon(name: LockName, owner: string, round?: number): Promise<void>;
  /** The round of whoever holds the name; 0 of another library's lock; undefined if it is free. */
  roundOf(name: LockName): Promise<number | undefined>;
  /** Whoever holds the name; undefined if it is free, or another library's. */
  holderOf(name: LockName): Promise<NodeHolder | undefined>;
  /**
   * Ends a hold of that round or an earlier one: however late it arrives, who came after it is left alone. Remembers for its owner
   * who did it. Wakes who waits. Answers what it ended.
   *
   * @param only of this owner, and nobody else's
   */
  revoke(name: LockName, by: RevokedBy, upToRound: number, only?: string): Promise<readonly LockRecord[]>;
  /** Whoever holds the name, also another library: one, or none. */
  read(name: LockName): Promise<readonly LockRecord[]>;
  /** Holders whose name starts with `prefix` (of the readable name). */
  list(prefix: string): Promise<readonly LockRecord[]>;
  /** What stands here at one name, for a person. Changes nothing. */
  examine(name: LockName): Promise<Sight>;
  /** Calls `wake` when the name may have become free here. A hint. Who was refused a vote is told sooner or later. Must not throw. */
  watch(name: LockName, wake: () => void): Stop;
  /** What an operator should know of this node. */
  probe(): Promise<Report>;
  close(): void;
}

/** What a client says when it joins. */
export interface Terms {
  /** The longest TTL that it will ask for: a node that may have forgotten a vote sits out that long. */
  readonly graceMs: number;
  /** Whether a node without any record of its past is taken for new, and votes at once. */
  readonly trustNew: boolean;
}

/** What a node says of itself with every answer. */
export interface Standing {
  /** Its wall clock when it answered, in microseconds. */
  readonly nowUs: number;
  /**
   * `votes`: its answers count. `waits`: it sits out its grace. `stranger`: it is not the incarnation that the caller joined,
   * or has forgotten all it knew: it did nothing, and must be joined.
   */
  readonly state: 'votes' | 'waits' | 'stranger';
  /** How long it does not vote yet; 0 if it does. */
  readonly votesInMs: number;
}

export interface Joined extends Standing {
  readonly state: 'votes' | 'waits';
  /** Another one after each restart: whoever names an old one is a stranger. */
  readonly incarnation: string;
}

/** An ask for one node's vote. */
export interface Ballot {
  readonly ask: Ask;
  /** Rises with every round of an owner: what was abandoned up to a round does not come back with a late copy of it. */
  readonly round: number;
  /** First fence that all nodes might agree on, in microseconds: a bit ahead of the highest of their clocks. */
  readonly proposal: number;
  /** A steal: ends whoever holds the name here, but for one of a later round. */
  readonly robs?: RevokedBy;
}

/** What became of fences that were written back, on a node that votes. */
export interface Confirmed extends Standing {
  /** `absent`: the owner does not hold here any more. `superseded`: it does, by a later round with fences of its own. */
  readonly outcome?: 'confirmed' | 'absent' | 'superseded';
}

export type Vote =
  /** The name is its owner's here. The fences are above every one that this node has stored, and stored by now. */
  | { readonly outcome: 'yes'; readonly first: bigint; readonly last: bigint; readonly ended: readonly LockRecord[] }
  | { readonly outcome: 'held'; readonly holder: LockRecord }
  /** The owner, or this round of it, was ended earlier. */
  | { readonly outcome: 'ended' };

export type Yes = Extract<Vote, { outcome: 'yes' }>;
export type No = Exclude<Vote, Yes>;

/** Fences that a majority agrees on. */
export interface Claim {
  readonly name: LockName;
  readonly owner: string;
  readonly round: number;
  readonly first: bigint;
  readonly last: bigint;
  readonly ttlMs: number;
}

/** `by`: who ended it, where the node remembers. */
export type NodeRenewal = { readonly outcome: 'renewed' } | { readonly outcome: 'gone' | 'not-yours'; readonly by?: RevokedBy };

export interface NodeHolder {
  readonly owner: string;
  readonly record: LockRecord;
}

/** One node's hold, to be written on another. */
export interface HoldCopy {
  readonly round: number;
  readonly first: bigint;
  readonly last: bigint;
  /** The node's own text of it; nobody else reads it. */
  readonly text: string;
  readonly leftMs: number;
}

/** One name as it is on one node. */
export interface Sight {
  /** Of the node. */
  readonly node: string;
  /** Whoever has it here, if that is a hold of ours. */
  readonly holder?: LockRecord;
  /** What has it here, if that is none of ours, or has no end. */
  readonly foreign?: ForeignLock & { /** Equal where it is equal on another node. */ readonly same: string };
  /** Who has the same name in other letters. */
  readonly others: readonly LockRecord[];
  /** How long this node does not vote yet. */
  readonly votesInMs: number;
}

export interface Report {
  readonly findings: readonly Finding[];
  /** How far its clock is ahead of this machine's, give or take `doubtMs`. Absent where it may not be asked. */
  readonly clock?: { readonly aheadMs: number; readonly doubtMs: number };
  /** Equal on two nodes: they are one server. */
  readonly incarnation?: string;
  /** Equal on two nodes: one is a copy of the other, or both are of a third. */
  readonly lineage?: string;
  /** How long it does not vote yet. */
  readonly votesInMs: number;
}
