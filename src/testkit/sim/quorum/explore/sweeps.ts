import type { Bounds } from './model.js';

const small = { turns: 1, ticks: 3, asks: 2, restarts: 0, lateReplies: 0 };

/**
 * What is explored to its end. All orders of everything at once would be some ten millions of states: so of changes of turns (see
 * `Model.choices`), of losses and of late replies there is a number each, as in the search that is bounded by preemptions
 * (Musuvathi and Qadeer, "Iterative Context Bounding", 2007). The bugs that are known need one of each at most. Not in it: renewals
 * and repairs, which need more time than three ticks, theft, and clocks that are stepped; those are left to chance and seeds.
 */
export const sweeps: Readonly<Record<string, Bounds>> = {
  'a reply is late': { ...small, lateReplies: 1 },
  'a node forgets': { ...small, restarts: 1 },
};

/** For those who have a minute more. */
export const longSweeps: typeof sweeps = { ...sweeps, 'turns change twice': { ...small, turns: 2 } };
