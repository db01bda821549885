import type { Instant } from '../../../core/clock.js';

/** What is taken off a reading that was too high, each time a lower one comes: one slow reply must not last. */
const decay = 1 / 8;

/**
 * A node's clock beside ours, as of the moment at which a request arrives there. In microseconds. All `…Ms` are readings of our
 * monotonic clock.
 */
export class NodeClock {
  #aheadUs: number | undefined;
  #behindUs: number | undefined;

  /** @param sentMs when the request was sent, and heardMs when its answer came: the ways there and back are part of what is measured */
  heard(nowUs: number, sentMs: number, heardMs: number): void {
    // The way back is part of it: never ahead of the node, and the closer the quicker the reply was.
    const behindUs = nowUs - heardMs * 1_000;
    const low = this.#behindUs;
    this.#behindUs = low === undefined || behindUs > low ? behindUs : low + (behindUs - low) * decay;
    const aheadUs = nowUs - sentMs * 1_000;
    const known = this.#aheadUs;
    this.#aheadUs = known === undefined || aheadUs > known ? aheadUs : known + (aheadUs - known) * decay;
  }

  /** What it has shown by then, at least. Undefined if it was never heard. */
  pastUs(atMs: number): number | undefined {
    return this.#behindUs === undefined ? undefined : atMs * 1_000 + this.#behindUs;
  }

  /** What it will show when a request that is sent then arrives. Undefined if it was never heard. */
  aheadUs(atMs: number): number | undefined {
    return this.#aheadUs === undefined ? undefined : atMs * 1_000 + this.#aheadUs;
  }
}

/** By the clocks of the nodes, a moment ago: what any two clients begin one after the other is in that order. */
export function roundOf(clocks: readonly NodeClock[], { monotonicMs, wallMs }: Instant): number {
  const known = sorted(clocks, (clock) => clock.pastUs(monotonicMs));
  return Math.floor(known[Math.floor(known.length / 2)] ?? wallMs * 1_000);
}

/** How far the proposal is ahead of the highest clock: more than requests differ in their way. */
const leadUs = 2_000;

/** A clock that is further ahead of the middle one than that is not followed. */
const aheadUsMax = 1_000_000;

/** The first fence that all nodes can agree on: none of their clocks is beyond it when they are asked. */
export function proposalOf(clocks: readonly NodeClock[], { monotonicMs, wallMs }: Instant): number {
  const known = sorted(clocks, (clock) => clock.aheadUs(monotonicMs));
  const middle = known[Math.floor((known.length - 1) / 2)];
  // Nothing was heard of any of them yet.
  if (middle === undefined) return Math.floor(wallMs * 1_000) + leadUs;
  return Math.floor(known.findLast((us) => us <= middle + aheadUsMax) ?? middle) + leadUs;
}

function sorted(clocks: readonly NodeClock[], read: (clock: NodeClock) => number | undefined): readonly number[] {
  const known: number[] = [];
  for (const clock of clocks) {
    const us = read(clock);
    if (us !== undefined) known.push(us);
  }
  return known.sort((a, b) => a - b);
}
