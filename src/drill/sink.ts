/** What the workers write to: it remembers the newest fence that it has seen, and refuses older ones. */
export class MarkedSink {
  #mark = 0n;

  /** @returns whether the write was let in, and the mark before it */
  write(fence: bigint): { readonly accepted: boolean; readonly mark: bigint } {
    const mark = this.#mark;
    const accepted = fence >= mark;
    if (accepted) this.#mark = fence;
    return { accepted, mark };
  }
}
