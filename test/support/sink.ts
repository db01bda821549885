import assert from 'node:assert/strict';

export interface Write {
  readonly accepted: boolean;
  readonly fence: bigint;
  /** Whose turn it was: no two turns share a label. */
  readonly turn: string;
}

/** The accepted writes of two turns never interleave, and no fence was given out twice. Answers how many turns wrote. */
export function assertInOrder(history: readonly Write[]): number {
  const owners = new Map<bigint, string>();
  for (const { fence, turn } of history) {
    assert.equal(owners.get(fence) ?? turn, turn, `the fence ${fence} was given out twice`);
    owners.set(fence, turn);
  }
  const accepted = history.filter((write) => write.accepted);
  const runs = accepted.filter((write, i) => accepted[i - 1]?.turn !== write.turn);
  for (const [i, { fence, turn }] of runs.entries()) {
    assert.ok(i === 0 || fence > (runs[i - 1]?.fence ?? 0n), `"${turn}" wrote between the writes of another turn`);
  }
  return owners.size;
}

/** What the work writes to: it refuses an older fence, and remembers every write that came. */
export class Sink {
  readonly history: Write[] = [];
  #newest = 0n;

  /** False if a newer fence was here before. */
  write(fence: bigint, turn: string): boolean {
    const accepted = fence >= this.#newest;
    if (accepted) this.#newest = fence;
    this.history.push({ accepted, fence, turn });
    return accepted;
  }

  get refused(): number {
    return this.history.filter(({ accepted }) => !accepted).length;
  }

  check(): void {
    assertInOrder(this.history);
  }
}
