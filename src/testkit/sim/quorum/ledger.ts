import type { Ask, Grant } from '../../../core/backend.js';
import type { Recorder } from '../../check/history.js';
import type { Lock } from './cell.js';

export type EndedBy = 'released' | 'abandoned' | 'revoked' | 'stolen';

/** One node's word to one owner. Losing its data does not free a node from it: that is what its grace is for. */
interface Promised {
  readonly round: number;
  readonly untilMs: number;
  /** Somebody took it away. The owner, who may have heard the yes before, does not know. */
  readonly lost: EndedBy | undefined;
}

interface Account {
  readonly owner: string;
  readonly promised: Map<number, Promised>;
  tenure: Tenure | undefined;
}

interface Tenure {
  readonly name: string;
  readonly first: bigint;
  readonly last: bigint;
  untilMs: number;
  /** `crumbling`: it loses votes to others, or gives them back, and may have a majority yet. Nothing is owed to it any more. */
  state: 'held' | 'crumbling' | 'over';
}

/**
 * Turns what single nodes do into the tenures that the checker knows. A tenure begins when the protocol tells an owner of its
 * grant, and lasts for as long as a majority of the nodes has promised the name to that owner, whatever it says itself.
 */
export class Ledger {
  readonly #recorder: Recorder;
  readonly #quorum: number;
  readonly #accounts = new Map<string, Account>();

  constructor(recorder: Recorder, quorum: number) {
    this.#recorder = recorder;
    this.#quorum = quorum;
  }

  /** The process has been told, and will believe it. */
  told({ owner, name, mode, ttlMs }: Ask, { fences }: Grant, process: string): void {
    const account = this.#accountOf(owner);
    const { promised, tenure } = account;
    const isHeld = tenure?.state === 'held' && tenure.untilMs > this.#recorder.nowMs();
    if (isHeld && tenure.first === fences.first && tenure.last === fences.last) return;
    if (isHeld) this.#add(account, 'abandoned');
    const words = [...promised.values()];
    const untilMs = this.#heldUntilMs(account) ?? Math.max(0, ...words.map((word) => word.untilMs));
    const nowMs = this.#recorder.nowMs();
    // Taken away while it was being granted, not run out.
    const taken = words.find((word) => word.lost !== undefined && word.untilMs > nowMs)?.lost;
    const stillborn =
      taken !== undefined && words.filter((word) => word.lost === undefined && word.untilMs > nowMs).length < this.#quorum;
    account.tenure = { name: name.text, ...fences, untilMs, state: stillborn ? 'over' : 'held' };
    const lock = { process, name: name.text, owner, mode, ttlMs, ...fences };
    this.#recorder.add({ type: 'minted', ...lock, untilMs, copy: false, stillborn });
    if (stillborn) this.#add(account, taken);
  }

  /** A node that votes holds the name for its owner, until then in true time. `upkeep`: it was renewed or repaired. */
  promised(node: number, { ask, round }: Lock, untilMs: number, { copy, upkeep }: { copy: boolean; upkeep: boolean }): void {
    const account = this.#accountOf(ask.owner);
    account.promised.set(node, { round, untilMs, lost: undefined });
    const { tenure } = account;
    const heldMs = this.#heldUntilMs(account);
    if (tenure === undefined || tenure.state === 'crumbling' || heldMs === undefined) return;
    const nowMs = this.#recorder.nowMs();
    // Asked for anew, its time is another tenure's. But no upkeep may bring back what was over.
    const isOver = tenure.state === 'over' || tenure.untilMs < nowMs;
    if (heldMs <= Math.max(tenure.untilMs, nowMs) || (isOver && !upkeep)) return;
    tenure.untilMs = heldMs;
    this.#recorder.add({ type: 'extended', name: tenure.name, owner: ask.owner, untilMs: heldMs, copy });
  }

  /** A node does not hold it any more, or has been told that it need not, up to a round. */
  ended(node: number, owner: string, by: EndedBy, upTo = Number.POSITIVE_INFINITY): void {
    const account = this.#accounts.get(owner);
    if (account === undefined) return;
    const isTaken = by === 'stolen' || by === 'revoked';
    // Who has begun to give it back has done with it, however many have not heard of it yet.
    const isGivenBack = by === 'released' || (by === 'abandoned' && upTo === Number.POSITIVE_INFINITY);
    const word = account.promised.get(node);
    const isKept = word === undefined || word.round > upTo;
    if (isKept && !isGivenBack) return;
    if (!isKept && isTaken) account.promised.set(node, { ...word, lost: by });
    else if (!isKept) account.promised.delete(node);
    const { tenure } = account;
    const heldMs = this.#heldUntilMs(account);
    if (tenure === undefined || tenure.state === 'over') return;
    const nowMs = this.#recorder.nowMs();
    const isOver = heldMs === undefined || heldMs <= nowMs;
    if (!isOver && !isGivenBack && !(isTaken && heldMs < tenure.untilMs)) return;
    if (tenure.state === 'held' && tenure.untilMs > nowMs) this.#add(account, by);
    tenure.state = isOver ? 'over' : 'crumbling';
  }

  #add({ owner, tenure }: Account, by: EndedBy): void {
    this.#recorder.add({ type: 'ended', name: tenure?.name ?? '', owner, by });
  }

  #accountOf(owner: string): Account {
    const known = this.#accounts.get(owner) ?? { owner, promised: new Map(), tenure: undefined };
    this.#accounts.set(owner, known);
    return known;
  }

  /** Until when a majority holds it for this owner; undefined if there is none. */
  #heldUntilMs({ promised }: Account): number | undefined {
    const words = [...promised.values()].filter(({ lost }) => lost === undefined);
    return words.map(({ untilMs }) => untilMs).sort((a, b) => b - a)[this.#quorum - 1];
  }
}
