import { restOf } from '../../redis/values.js';
import type { Ballot } from '../node.js';
import type { Proposed } from './answers.js';

/** A ballot in the words of the script that votes, without those that differ from node to node. */
interface BallotTexts extends Proposed {
  readonly ttl: string;
  readonly rest: string;
  readonly fences: string;
  readonly round: string;
}

const made = new WeakMap<Ballot, BallotTexts>();

/** Made once for all nodes, which are asked with the same ballot. */
export function ballotTexts(ballot: Ballot): BallotTexts {
  const known = made.get(ballot);
  if (known !== undefined) return known;
  const { ask, round } = ballot;
  const proposal = whole(ballot.proposal);
  const first = BigInt(proposal);
  const last = ask.fences === 1 ? first : first + BigInt(ask.fences - 1);
  const { owner } = ask;
  const rest = restOf(ask);
  const texts = { owner, ttl: ttlOf(ask), rest, fences: String(ask.fences), proposal, first, last, round: whole(round) };
  made.set(ballot, texts);
  return texts;
}

/** PEXPIRE takes whole milliseconds. */
export function ttlOf({ ttlMs }: { readonly ttlMs: number }): string {
  return String(Math.ceil(ttlMs));
}

/** Below 2^53. */
export function whole(n: number): string {
  return String(Math.floor(n));
}
