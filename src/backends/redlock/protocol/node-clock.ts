import type { Ports } from '../../../core/clock.js';

/** What is taken off a reading that was too high, each time a lower one comes: one slow reply must not last. */
const decay = 1 / 8;

/** A node's clock beside ours, as of the moment at which a request arrives there. In microseconds. */
export class NodeClock {
  readonly #ports: Ports;
  #aheadUs: number | undefined;
  #behindUs: number | undefined;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** @param sentMs when the request was sent, by our monotonic clock: the way there is part of what is measured */
  heard(nowUs: number, sentMs: number): void {
    // The way back is part of it: never ahead of the node, and the closer the quicker the reply was.
    const behindUs = nowUs - this.#ports.now().monotonicMs * 1_000;
    const low = this.#behindUs;
    this.#behindUs = low === undefined || behindUs > low ? behindUs : low + (behindUs - low) * decay;
    const aheadUs = nowUs - sentMs * 1_000;
    const known = this.#aheadUs;
    this.#aheadUs = known === undefined || aheadUs > known ? aheadUs : known + (aheadUs - known) * decay;
  }

  /** What it has shown by now, at least. Undefined if it was never heard. */
  get pastUs(): number | undefined {
    return this.#behindUs === undefined ? undefined : this.#ports.now().monotonicMs * 1_000 + this.#behindUs;
  }

  /** What it will show when a request that is sent now arrives. Undefined if it was never heard. */
  get nowUs(): number | undefined {
    return this.#aheadUs === undefined ? undefined : this.#ports.now().monotonicMs * 1_000 + this.#aheadUs;
  }
}

/** By the clocks of the nodes, a moment ago: what any two clients begin one after the other is in that order. */
export function roundOf(clocks: readonly NodeClock[], ports: Ports): number {
  const known = clocks.flatMap(({ pastUs }) => (pastUs === undefined ? [] : [pastUs])).sort((a, b) => a - b);
  return Math.floor(known[Math.floor(known.length / 2)] ?? ports.now().wallMs * 1_000);
}

/** How far the proposal is ahead of the highest clock: more than requests differ in their way. */
const leadUs = 2_000;

/** A clock that is further ahead of the middle one than that is not followed. */
const aheadUsMax = 1_000_000;

/** The first fence that all nodes can agree on: none of their clocks is beyond it when they are asked. */
export function proposalOf(clocks: readonly NodeClock[], ports: Ports): number {
  const known = clocks.flatMap(({ nowUs }) => (nowUs === undefined ? [] : [nowUs])).sort((a, b) => a - b);
  const middle = known[Math.floor((known.length - 1) / 2)];
  // Nothing was heard of any of them yet.
  if (middle === undefined) return Math.floor(ports.now().wallMs * 1_000) + leadUs;
  return Math.floor(Math.max(...known.filter((us) => us <= middle + aheadUsMax))) + leadUs;
}
