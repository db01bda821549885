import type { Claim } from '../node.js';

interface Shared {
  rounds: number;
  claim: Claim | undefined;
}

/**
 * What rounds of one owner agreed on while any of them has requests out: an owner that asks twice is told the same, though
 * nodes that minted something else may not have heard yet. Forgotten with the last of these requests, long before the votes run out.
 */
export class Claims {
  readonly #shared = new Map<string, Shared>();

  enter(owner: string): void {
    const known = this.#shared.get(owner);
    if (known === undefined) this.#shared.set(owner, { rounds: 1, claim: undefined });
    else known.rounds += 1;
  }

  /** The first one's claim, from now on that of all; unless nodes have minted higher since, and perhaps for others in between. */
  settle(claim: Claim): Claim {
    const known = this.#shared.get(claim.owner);
    if (known === undefined) return claim;
    if (known.claim === undefined || known.claim.first < claim.first) known.claim = claim;
    const { first, last } = known.claim;
    return { ...claim, first, last };
  }

  /** It was given up: what was agreed on is not held any more. */
  drop(owner: string): void {
    const known = this.#shared.get(owner);
    if (known !== undefined) known.claim = undefined;
  }

  leave(owner: string): void {
    const known = this.#shared.get(owner);
    if (known === undefined) return;
    known.rounds -= 1;
    if (known.rounds === 0) this.#shared.delete(owner);
  }
}
